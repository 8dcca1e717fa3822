//! Pictures of what a model makes: rows of numbers as a [`grid()`] of small pictures, codes as a [`scatter()`] plot.
//! [`project()`] brings codes of any width down to the two directions that a plot has. Errors over time are [`curves()`],
//! accuracy over the number of labels is [`learning()`].
//!
//! Pictures are drawn on a white page as an [`image::RgbImage`], which [`write_png`] writes; lines are an SVG. The same
//! input gives the same bytes.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests: a panic says where"))]

mod chart;
mod curves;
mod grid;
mod learning;
mod page;
mod palette;
mod png;
mod project;
mod scatter;
mod svg;
mod text;

pub use image::RgbImage;

pub use curves::{Curves, Line, Mark, curves};
pub use grid::{Layout, grid, picture};
pub use learning::{Contender, Learning, Reference, learning};
pub use png::{png_bytes, write_png};
pub use project::{Projection, project};
pub use scatter::{Captions, Scatter, scatter};
pub use text::class_name;
