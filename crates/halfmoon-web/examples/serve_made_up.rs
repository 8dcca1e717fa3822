//! `cargo run -p halfmoon-web --example serve_made_up -- [PORT] [pictures]`: the service with a made-up model, for clients to
//! be tried against. Ends with its standard input.

use std::io::Read;

use halfmoon_web::guard::{Bind, bind};
use halfmoon_web::serve::{Settings, router};

#[path = "../tests/it/made_up.rs"]
mod made_up;

fn main() -> halfmoon_pool::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let port = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(0);
    let made =
        made_up::Made { of_pictures: arguments.iter().any(|argument| argument == "pictures"), ..Default::default() };
    let settings = Settings { tell: Box::new(|line| eprintln!("{line}")), ..Settings::default() };
    let (router, stopper) = router(made, settings)?;
    let bound = bind(&Bind::loopback(port))?;
    eprintln!("{}", bound.url());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        stopper.stop();
        drop(stop);
    });
    bound.serve(router, async {
        let _ = stopped.await;
    })
}
