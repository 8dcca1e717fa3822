//! What is minimised: named terms, each with its weight.

use burn::tensor::Tensor;

/// A sum of weighted terms. The log shows each under its name.
#[derive(Default)]
pub struct Loss {
    terms: Vec<Term>,
    observed: Vec<(&'static str, Tensor<1>)>,
    notes: Vec<(&'static str, f64)>,
}

struct Term {
    name: &'static str,
    weight: f64,
    value: Tensor<1>,
}

impl Loss {
    /// Adds `value` (one number) with weight 1.
    #[must_use]
    pub fn add(self, name: &'static str, value: Tensor<1>) -> Loss {
        self.weigh(name, 1.0, value)
    }

    /// Adds `weight` times `value` (one number).
    #[must_use]
    pub fn weigh(mut self, name: &'static str, weight: f64, value: Tensor<1>) -> Loss {
        self.terms.push(Term { name, weight, value });
        self
    }

    /// Adds a value (one number) that the log shows and that nothing minimises.
    #[must_use]
    pub fn observe(mut self, name: &'static str, value: Tensor<1>) -> Loss {
        self.observed.push((name, value.detach()));
        self
    }

    /// Adds a number that the log shows and that nothing minimises.
    #[must_use]
    pub fn note(mut self, name: &'static str, value: f64) -> Loss {
        self.notes.push((name, value));
        self
    }

    /// The weighted sum: `[1]`.
    pub fn total(&self) -> Tensor<1> {
        self.terms
            .iter()
            .map(|term| term.value.clone() * term.weight)
            .reduce(|sum, term| sum + term)
            .expect("a loss has at least one term")
    }

    /// Names and values of the terms, before their weights.
    #[cfg(test)]
    pub(crate) fn terms(&self) -> impl Iterator<Item = (&'static str, &Tensor<1>)> {
        self.terms.iter().map(|term| (term.name, &term.value))
    }

    /// Each term's value before its weight, what is observed, the notes, then the weighted sum as `total`; nothing where there is no
    /// term. Waits for the device.
    pub fn values(&self) -> Vec<(&'static str, f64)> {
        if self.terms.is_empty() {
            return Vec::new();
        }
        let mut values: Vec<(&'static str, f64)> =
            self.terms.iter().map(|term| (term.name, number(term.value.clone()))).collect();
        // Summed as numbers: another tensor sum would stay behind in the engine's graph, which no
        // backward pass would ever clear, and slow down every later step.
        let total = self.terms.iter().zip(&values).map(|(term, (_, value))| term.weight * value).sum();
        values.extend(self.observed.iter().map(|(name, value)| (*name, number(value.clone()))));
        values.extend(&self.notes);
        values.push(("total", total));
        values
    }
}

fn number(value: Tensor<1>) -> f64 {
    f64::from(value.into_scalar::<f32>())
}
