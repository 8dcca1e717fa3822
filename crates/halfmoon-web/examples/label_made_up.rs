//! The server behind the labelling page, with the built-in digits as PNG files and a model that takes no time to speak of: for whoever
//! builds the page, and to measure how long a question takes.
//!
//! ```text
//! cargo run --release -p halfmoon-web --example label_made_up -- [FOLDER [PORT [SECONDS]]]
//! ```
//!
//! FOLDER keeps the pictures (`photos/`) and the project; what is there is gone on with, also pictures of your own, or a table `rows.csv` with a column `label`. SECONDS is how long each training takes.
//! Interrupted with Ctrl-C. The digit of the picture `0017.png` is the 18th of scikit-learn's `load_digits`.

#![allow(clippy::print_stdout, reason = "an example talks")]

#[path = "../tests/it/label/made_up.rs"]
mod made_up;

use std::path::PathBuf;
use std::time::Duration;

use halfmoon_pool::Result;
use halfmoon_pool::read::Options;
use halfmoon_web::guard::{Bind, bind};
use halfmoon_web::label::{Settings, open};

fn main() -> Result<()> {
    let mut given = std::env::args().skip(1);
    let folder = given.next().map_or_else(|| std::env::temp_dir().join("halfmoon-label"), PathBuf::from);
    let port = given.next().and_then(|port| port.parse().ok()).unwrap_or(8_080);
    let seconds = given.next().and_then(|seconds| seconds.parse().ok()).unwrap_or(3.0);
    let (table, photos) = (folder.join("rows.csv"), folder.join("photos"));
    let (data, label) = if table.is_file() { (table, Some("label".to_owned())) } else { (photos, None) };
    if label.is_none() && !data.is_dir() {
        made_up::write_digits(&data, 1_797);
    }
    let options = Options { label, ..Options::default() };
    let settings = Settings { data, options, ..made_up::settings(&folder) };
    let trainer = made_up::MadeUp { pause: Duration::from_secs_f64(seconds), ..made_up::MadeUp::default() };
    let (router, running) = open(settings, trainer)?;
    let bound = bind(&Bind::loopback(port))?;
    println!("{}api/project", bound.url());
    let stop = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    bound.serve(router, stop)?;
    running.stop();
    Ok(())
}
