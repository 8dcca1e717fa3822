//! Servers on real sockets, asked as anybody could ask them.

mod client;
mod guard;
mod label;
mod made_up;
mod serve;
