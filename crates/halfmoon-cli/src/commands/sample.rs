//! `halfmoon sample`: pictures from codes that are drawn at random.

use halfmoon::noise::Noise;
use halfmoon::predict::array;
use halfmoon::run;
use halfmoon_draw::Layout;
use halfmoon_pool::Class;
use serde_json::json;

use super::making::{Maker, code};
use crate::Failure;
use crate::args::Sample;

/// Classes up to which each has a column of its own.
const COLUMNS: usize = 16;

pub(crate) fn run(args: &Sample) -> Result<(), Failure> {
    let maker = Maker::open(&args.making, "sample")?;
    maker.shape()?;
    let only = args.class.as_deref().map(|name| maker.class(name)).transpose()?;
    let (generator, n) = (maker.generator(), args.number.get());
    let codes = array(Noise::new(args.seed, 0, &run::device("cpu")?).normal([n, generator.latent()]));
    let in_turn = match only {
        Some(class) => vec![class],
        None if generator.knows_classes() => maker.classes(),
        None => vec![Class(0)],
    };
    let classes: Vec<Class> = in_turn.iter().copied().cycle().take(n).collect();
    let made = generator.decode(codes.view(), &classes);

    let has_columns = in_turn.len() > 1 && in_turn.len() <= COLUMNS && n >= in_turn.len();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a root of a small number")]
    let square = (n as f64).sqrt().ceil() as usize;
    let layout = Layout {
        columns: if has_columns { in_turn.len() } else { square.min(40) },
        title: only.map_or_else(String::new, |class| maker.caption(class)),
        column_names: in_turn.iter().filter(|_| has_columns).map(|&class| maker.caption(class)).collect(),
        ..Layout::default()
    };
    let pictures: Vec<_> = (0..n)
        .map(|row| {
            let class = generator.knows_classes().then(|| maker.name(classes[row]));
            json!({ "class": class, "code": code(&codes, row) })
        })
        .collect();
    let told = json!({ "seed": args.seed, "columns": layout.columns, "pictures": pictures });
    if maker.wants_array() { maker.write_array(made, &classes, told) } else { maker.write_grid(made, &layout, told) }
}
