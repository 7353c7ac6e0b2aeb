//! Makes one OpenMetrics text of those of several mounts: each name once, with the numbers of all mounts below it.

use std::fmt::Write as _;

/// Returns one text of several, each of whose numbers gets the labels. The texts are this program's own, so they are known to
/// have no time stamps, no exemplars and no comments.
pub fn merged<const N: usize>(texts: &[([(&str, String); N], String)]) -> String {
    let mut families: Vec<Family> = Vec::new();
    for (labels, text) in texts {
        let labels = labels
            .each_ref()
            .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)));
        let labels = labels.join(",");
        let mut at = None;
        for line in text.lines() {
            let Some(about) = line.strip_prefix("# ") else {
                if let Some(family) = at.and_then(|at: usize| families.get_mut(at)) {
                    labelled(&mut family.numbers, line, &labels);
                }
                continue;
            };
            let mut words = about.split(' ');
            let (Some(_), Some(name)) = (words.next(), words.next()) else {
                continue; // the end
            };
            let known = families.iter().position(|family| family.name == name);
            let index = known.unwrap_or_else(|| {
                families.push(Family {
                    name: name.to_owned(),
                    ..Family::default()
                });
                families.len() - 1
            });
            at = Some(index);
            if let Some(family) = families.get_mut(index)
                && !family.about.contains(line)
            {
                let _ = writeln!(family.about, "{line}");
            }
        }
    }
    let mut out: String = families
        .into_iter()
        .flat_map(|family| [family.about, family.numbers])
        .collect();
    out += "# EOF\n";
    out
}

/// The lines about one name.
#[derive(Default)]
struct Family {
    name: String,
    /// Its type, unit and help.
    about: String,
    numbers: String,
}

/// Writes a line with a number, with more labels.
fn labelled(out: &mut String, line: &str, labels: &str) {
    let name = line.find(['{', ' ']).unwrap_or(line.len());
    let (name, rest) = line.split_at(name);
    let _ = match rest.strip_prefix('{') {
        Some(rest) => writeln!(out, "{name}{{{labels},{rest}"),
        None => writeln!(out, "{name}{{{labels}}}{rest}"),
    };
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_there_once_and_each_number_says_its_mount() {
        let text = |number| {
            format!(
                "# HELP airlock_calls Calls.\n# TYPE airlock_calls counter\n\
                 airlock_calls_total{{outcome=\"ok\"}} {number}\n\
                 # HELP airlock_serving Serves.\n# TYPE airlock_serving gauge\nairlock_serving 1\n# EOF\n"
            )
        };
        let texts = [
            ([("mount", "a/".to_owned())], text(1)),
            ([("mount", "b\"\\/".to_owned())], text(2)),
        ];
        assert_eq!(
            merged(&texts),
            "# HELP airlock_calls Calls.\n# TYPE airlock_calls counter\n\
             airlock_calls_total{mount=\"a/\",outcome=\"ok\"} 1\n\
             airlock_calls_total{mount=\"b\\\"\\\\/\",outcome=\"ok\"} 2\n\
             # HELP airlock_serving Serves.\n# TYPE airlock_serving gauge\n\
             airlock_serving{mount=\"a/\"} 1\nairlock_serving{mount=\"b\\\"\\\\/\"} 1\n# EOF\n"
        );
        assert_eq!(merged::<1>(&[]), "# EOF\n");
    }
}
