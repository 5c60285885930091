//! What a refusal costs beside an answer.

use crate::instructions::pivot_instructions;
use crate::report::{Section, Table};
use crate::{Options, Result};

pub(crate) fn measure(_: &Options) -> Result<Section> {
    let mut table = Table::new(&["answer", "instructions", "of plaintext"]);
    let plaintext = pivot_instructions("plaintext")?;
    for (name, count) in [
        ("200 plaintext", plaintext),
        ("429", pivot_instructions("refused-429")?),
        ("503", pivot_instructions("refused-503")?),
    ] {
        let ratio = format!("{:.2}", count as f64 / plaintext as f64);
        table.rows.push(vec![name.to_owned(), count.to_string(), ratio]);
    }
    Ok(Section {
        name: "overload-refusal",
        title: "what a refusal costs in user space",
        meaning: "Pivot's instructions a request on a keep-alive connection, as `instructions` counts them. The system calls \
                  are the same: a read and a write. What a refusal costs in CPU time under overload, system calls \
                  included, stands in the last column of overload-kept and overload-fresh."
            .to_owned(),
        tables: vec![table],
        notes: Vec::new(),
        chart: None,
    })
}
