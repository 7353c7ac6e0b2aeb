//! The files of a project: those of its template, and those that it gets of this repository.
//!
//! A template is a folder in `templates/`, beside `templates/common`, which every project has. Their files have the paths that
//! they get in a project, and `.in` at the end, so that neither cargo nor an editor takes them for files of this repository. In
//! their texts, `{{name}}`, `{{crate}}`, `{{type}}` and `{{profile}}` are replaced, and `{{try}}` by the template's `try.in`.

use airlock_testkit::scenario;
use anyhow::{Context as _, Result};
use clap::ValueEnum as _;

use super::Template;

/// Files of this repository: their paths in it, and their texts.
const VENDORED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/vendored.rs"));

/// Files of the templates: their paths in `templates/`, and their texts.
const TEMPLATES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/templates.rs"));

/// The folder with what every project has.
const COMMON: &str = "common/";

/// The file of a template with commands for the README.
const TRY: &str = "try";

/// The crates of this repository that a project gets: the SDK, and what its tests need.
const MEMBERS: [&str; 3] = ["guest/sdk", "guest/testkit", "host/vault-core"];

/// The JSON Schema of scenarios. Each scenario names it in its first line, for editors with a TOML language server.
const SCHEMA: &str = "scenarios/scenario.schema.json";

/// Returns all files of a project: their paths in it, and their texts.
pub(super) fn files(name: &str, template: Template) -> Result<Vec<(String, String)>> {
    let root = vendored("Cargo.toml")?;
    let profile = ["[profile.guest]", "[profile.guest.package]"].map(|header| section(root, header));
    let profile = profile.join("\n");
    let own = format!("{}/", folder_of(template));
    let fill = |text: &str| {
        text.replace("{{name}}", name)
            .replace("{{crate}}", &name.replace('-', "_"))
            .replace("{{type}}", &camel_case(name))
            .replace("{{profile}}", &profile)
    };
    let commands = find(TEMPLATES, &format!("{own}{TRY}.in"))?;
    let of_template = TEMPLATES.iter().filter_map(|(file, text)| {
        let file = file.strip_prefix(COMMON).or_else(|| file.strip_prefix(&own))?;
        let file = file.strip_suffix(".in").unwrap_or(file);
        (file != TRY).then(|| (file.to_owned(), fill(&text.replace("{{try}}", commands))))
    });
    let mut files: Vec<_> = of_template.collect();
    files.push((SCHEMA.into(), scenario::schema()));
    files.push(("build.rs".into(), vendored("guest/users/build.rs")?.into()));
    // The versions with which the SDK was tested. cargo removes those that are not used.
    files.push(("Cargo.lock".into(), vendored("Cargo.lock")?.into()));
    files.push(("vendor/airlock/Cargo.toml".into(), workspace_of(root, &MEMBERS)?));
    let apart = ["Cargo.toml", "Cargo.lock", "guest/users/build.rs"];
    let copied = VENDORED.iter().filter(|(file, _)| !apart.contains(file));
    files.extend(copied.map(|(file, text)| (format!("vendor/airlock/{file}"), (*text).to_owned())));
    Ok(files)
}

fn folder_of(template: Template) -> String {
    let value = template.to_possible_value();
    value.map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn vendored(file: &str) -> Result<&'static str> {
    find(VENDORED, file)
}

fn find(files: &[(&str, &'static str)], file: &str) -> Result<&'static str> {
    let found = files.iter().find(|(name, _)| *name == file);
    found
        .map(|(_, text)| *text)
        .with_context(|| format!("this binary was built without {file}"))
}

/// Returns a workspace with what its members take from it, and nothing else.
fn workspace_of(root: &str, members: &[&str]) -> Result<String> {
    let manifests: String = members
        .iter()
        .map(|member| vendored(&format!("{member}/Cargo.toml")))
        .collect::<Result<_>>()?;
    let inherits = |line: &&str| {
        let name = line.split([' ', '=']).next().unwrap_or_default();
        let plain = format!("\n{name}.workspace = true");
        let optional = format!("\n{name} = {{ workspace = true");
        !name.is_empty() && (manifests.contains(&plain) || manifests.contains(&optional))
    };
    let dependencies: Vec<_> = section(root, "[workspace.dependencies]")
        .lines()
        .filter(inherits)
        .map(str::to_owned)
        .collect();
    Ok(format!(
        "# The workspace of the SDK, as it was where this copy was made.\n[workspace]\nresolver = \"3\"\nmembers = \
         {members:?}\n\n{}\n[workspace.dependencies]\n{}\n\n{}\n{}",
        section(root, "[workspace.package]"),
        dependencies.join("\n"),
        section(root, "[workspace.lints.rust]"),
        section(root, "[workspace.lints.clippy]"),
    ))
}

/// Returns a section of a manifest, without its empty lines and comments.
fn section(manifest: &str, header: &str) -> String {
    let lines = manifest.lines().skip_while(|line| *line != header);
    let inside = lines
        .enumerate()
        .take_while(|(at, line)| *at == 0 || !line.starts_with('['));
    let text: Vec<_> = inside
        .map(|(_, line)| line)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    text.join("\n") + "\n"
}

fn camel_case(name: &str) -> String {
    let word = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    name.split('-').map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_placeholder_is_filled() {
        for template in Template::value_variants() {
            let project = files("my-engine", *template).unwrap();
            let filled = project.iter().filter(|(file, _)| !file.starts_with("vendor/"));
            for (file, text) in filled {
                // GitHub's own placeholders have a dollar sign.
                assert!(!text.replace("${{", "").contains("{{"), "{template:?}: {file}");
                assert!(!file.ends_with(".in"), "{template:?}: {file}");
            }
        }
        assert_eq!(camel_case("my-engine2"), "MyEngine2");
    }

    #[test]
    fn every_template_has_tests_a_scenario_and_a_ci_file() {
        for template in Template::value_variants() {
            let project = files("my-engine", *template).unwrap();
            let has = |folder: &str, end: &str| {
                project
                    .iter()
                    .any(|(file, _)| file.starts_with(folder) && file.ends_with(end))
            };
            for (folder, end) in [
                ("src/lib.rs", ""),
                ("src/tests.rs", ""),
                ("tests/guest.rs", ""),
                ("scenarios/", ".toml"),
                (".github/workflows/", ".yaml"),
                (".gitignore", ""),
            ] {
                assert!(has(folder, end), "{template:?}: {folder}");
            }
            assert!(!has(TRY, ""), "{template:?}");
        }
    }

    #[test]
    fn every_scenario_names_the_schema_beside_it() {
        for template in Template::value_variants() {
            let project = files("my-engine", *template).unwrap();
            let text_of = |name: &str| {
                project
                    .iter()
                    .find(|(file, _)| file == name)
                    .map(|(_, text)| text)
            };
            let scenarios = project
                .iter()
                .filter(|(file, _)| file.starts_with("scenarios/") && file.ends_with(".toml"));
            for (file, text) in scenarios {
                let first = text.lines().next().unwrap_or_default();
                let schema = first
                    .strip_prefix("#:schema ./")
                    .unwrap_or_else(|| panic!("{file}: {first}"));
                // Editors take the path as relative to the scenario.
                assert_eq!(
                    text_of(&format!("scenarios/{schema}")),
                    Some(&scenario::schema()),
                    "{file}"
                );
            }
        }
    }

    #[test]
    fn what_the_sdk_inherits_is_vendored() {
        let manifest = workspace_of(vendored("Cargo.toml").unwrap(), &MEMBERS).unwrap();
        for name in [
            "serde",
            "serde_json",
            "thiserror",
            "base64",
            "wit-bindgen",
            "vault-core",
        ] {
            assert!(manifest.contains(&format!("\n{name} = ")), "{name}");
        }
        assert!(manifest.contains("\nmembers = [\"guest/sdk\", \"guest/testkit\", \"host/vault-core\"]\n"));
        assert!(vendored("host/vault-core/src/lib.rs").is_ok());
        assert!(!manifest.contains("tonic") && manifest.contains("unsafe_code"));
    }
}
