//! Why an item is asked about, in words that need no knowledge of models.

use halfmoon_pool::metric::two_highest;

use super::queue::Cause;

/// The rule that a question is recorded under, and the sentence that people read. `probs` is what the model says of the item.
pub(super) fn why(
    cause: &Cause,
    rule: &'static str,
    probs: Option<&[f32]>,
    classes: &[String],
) -> (&'static str, String) {
    let (rule, reason) = match cause {
        Cause::Judging => {
            ("judging", "drawn at random, to judge the model by; its label is never learned from".to_owned())
        }
        Cause::Second => ("twice", "somebody labelled it, and of some items a second person is asked, too".to_owned()),
        Cause::Tie => ("tie", "those who labelled it disagree: another voice decides".to_owned()),
        Cause::Chance => ("random", "drawn at random".to_owned()),
        Cause::Rule(reason) => (rule, of_rule(rule, reason, probs, classes)),
    };
    (rule, format!("asked because: {reason}"))
}

/// What a rule means by its reason. Numbers of a rule that mean nothing without its paper are left to [`Asked`](halfmoon_journal::Asked)'s
/// readers of the rule itself: here stands what they say of the item.
fn of_rule(rule: &str, reason: &str, probs: Option<&[f32]>, classes: &[String]) -> String {
    let two = probs.and_then(|probs| two_likeliest(probs, classes));
    let doubt = || match &two {
        Some((first, p, second, q)) => {
            format!("the model hesitates between {first} and {second} ({} and {})", percent(*p), percent(*q))
        }
        None => "the model hesitates".to_owned(),
    };
    match rule {
        "random" => "drawn at random".to_owned(),
        "margin" => doubt(),
        "least_confident" => match &two {
            Some((first, p, ..)) => format!("no class is likely: the best guess is {first}, with only {}", percent(*p)),
            None => "no class is likely".to_owned(),
        },
        "entropy" | "soft_vote_entropy" | "plausible_entropy" => format!("many classes are possible; {}", doubt()),
        "variation_ratio" | "mean_std" | "vote_entropy" | "committee_kl" | "bald" | "power_bald" => {
            "variants of the model contradict each other".to_owned()
        }
        "batch_bald" => {
            "variants of the model contradict each other, and in another way than about the ones before".to_owned()
        }
        "k_center" => "far from anything labelled".to_owned(),
        "badge" | "bait" | "gradient_length" => format!("its label would change the model much; {}", doubt()),
        "error_reduction" => format!("its label is expected to make the others surer; {}", doubt()),
        "density_weighted" => format!("many items are like it, and {}", doubt()),
        "cold_start" => format!("typical of many items: {reason}"),
        "novelty" => "unlike what the model has seen".to_owned(),
        "vaal" | "aral" | "aral_by_class" => "unlike the labelled items".to_owned(),
        // A rule that is newer than this list says it itself.
        _ => reason.to_owned(),
    }
}

/// `None` with fewer than two classes.
fn two_likeliest<'a>(probs: &[f32], classes: &'a [String]) -> Option<(&'a str, f64, &'a str, f64)> {
    let [(first, p), (second, q)] = two_highest(probs.iter().map(|&p| f64::from(p)));
    (probs.len() > 1).then_some((classes.get(first)?.as_str(), p, classes.get(second)?.as_str(), q))
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes() -> Vec<String> {
        ["3", "8", "9"].map(str::to_owned).to_vec()
    }

    #[test]
    fn every_rule_has_words_of_its_own() {
        let probs = [0.41, 0.38, 0.21];
        for rule in halfmoon_query::RULES {
            let cause = Cause::Rule("0.123 nats".to_owned());
            let (recorded, sentence) = why(&cause, rule.name, Some(&probs), &classes());
            assert_eq!(recorded, rule.name);
            assert!(sentence.starts_with("asked because: ") && sentence.len() > 25, "{sentence}");
            let repeats = ["cold_start"].contains(&rule.name);
            assert_eq!(sentence.contains("0.123 nats"), repeats, "{}: {sentence}", rule.name);
        }
    }

    #[test]
    fn a_hesitating_model_names_the_two_classes() {
        let (_, sentence) = why(&Cause::Rule(String::new()), "margin", Some(&[0.41, 0.21, 0.38]), &classes());
        assert_eq!(sentence, "asked because: the model hesitates between 3 and 9 (41 % and 38 %)");
        let (_, sentence) = why(&Cause::Rule(String::new()), "margin", Some(&[1.0]), &classes());
        assert_eq!(sentence, "asked because: the model hesitates");
    }

    #[test]
    fn what_chance_asks_is_recorded_as_such_whatever_the_rule() {
        let (recorded, _) = why(&Cause::Judging, "margin", None, &classes());
        assert_eq!(recorded, "judging");
        assert_eq!(why(&Cause::Chance, "margin", None, &classes()).0, "random");
    }
}
