use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use saekit_analysis::{Feature, Flag, LEGIBILITY_RULE, Missing, Summary};
use saekit_core::Error as CoreError;
use saekit_core::files::write_atomic;
use serde::Serialize;

use crate::number::rounded;
use crate::text::script;
use crate::{Error, FeatureLine, Result, Snippet, facts};

const INDEX_HTML: &[u8] = include_bytes!("../assets/index.html");
/// The files of the folder `assets`.
const ASSETS: [(&str, &[u8]); 7] = [
    ("elements.js", include_bytes!("../assets/elements.js")),
    ("index.js", include_bytes!("../assets/index.js")),
    ("chart.js", include_bytes!("../assets/chart.js")),
    ("feature.js", include_bytes!("../assets/feature.js")),
    ("main.js", include_bytes!("../assets/main.js")),
    ("base.css", include_bytes!("../assets/base.css")),
    ("style.css", include_bytes!("../assets/style.css")),
];

/// Writes a site, feature by feature.
///
/// `index.html` comes last: a folder without it holds no site, or one that was not finished. What is
/// kept in memory is a line a feature.
#[derive(Debug)]
pub struct SiteWriter {
    dir: PathBuf,
    lines: Vec<FeatureLine>,
    /// Which latents were given.
    given: Vec<bool>,
}

/// What `data/index.js` says of the whole.
#[derive(Debug, Serialize)]
struct Head {
    format: &'static str,
    version: u32,
    title: String,
    facts: Vec<(String, String)>,
    rule: &'static str,
    missing: Vec<(String, String)>,
    report: Option<String>,
}

/// A snippet: texts, values, index of the firing.
type Cut<'a> = (&'a [String], Vec<f64>, usize);

/// The object of `data/index.js`.
#[derive(Debug, Serialize)]
struct Index<'a> {
    #[serde(flatten)]
    head: &'a Head,
    latents: Vec<u32>,
    legibility: Vec<f64>,
    density: Vec<f64>,
    max: Vec<Option<f64>>,
    scale_end: Vec<Option<f64>>,
    contextual: Vec<Option<f64>>,
    flags: Vec<u8>,
    tokens: Vec<&'a [String]>,
    snippets: Vec<Option<Cut<'a>>>,
}

impl SiteWriter {
    /// What a site is in its folder.
    pub const ENTRIES: &[&str] = &["index.html", "assets", "data"];

    /// Begins a site about `d_code` latents in the folder `dir`, which is made where it is not there.
    ///
    /// A site that is there already is replaced; other files are left alone.
    pub fn create(dir: &Path, d_code: usize) -> Result<Self> {
        remove(&dir.join("index.html"))?;
        let data = dir.join("data");
        remove(&data.join("index.js"))?;
        let features = data.join("features");
        fs::create_dir_all(&features).map_err(CoreError::io("create", &features))?;
        remove_features(&features)?;
        write_assets(&dir.join("assets"))?;
        Ok(Self { dir: dir.to_owned(), lines: Vec::new(), given: vec![false; d_code] })
    }

    /// Writes the data of one feature; they may come in any order, each once.
    pub fn push(&mut self, feature: &Feature) -> Result<()> {
        let (latent, d_code) = (feature.latent, self.given.len());
        let given = self.given.get_mut(latent as usize);
        let given = given.ok_or(Error::UnknownLatent { latent, d_code })?;
        if std::mem::replace(given, true) {
            return Err(Error::Twice { latent });
        }
        let path = self.dir.join(format!("data/features/{latent}.js"));
        // Not by way of a temporary file: nothing reads it before there is an `index.html`.
        fs::write(&path, call("saekit.feature", feature)).map_err(CoreError::io("write", &path))?;
        self.lines.push(FeatureLine::of(feature));
        Ok(())
    }

    /// Writes the index, and then `index.html`, whose path is returned: `summary` says what it is
    /// about, and `report` is the report's file name. Fails where a latent's feature was not given.
    pub fn finish(
        mut self,
        summary: &Summary,
        title: &str,
        report: Option<&str>,
    ) -> Result<PathBuf> {
        let (found, expected) = (self.lines.len(), self.given.len());
        if found != expected {
            return Err(Error::Incomplete { found, expected });
        }
        self.lines.sort_by(FeatureLine::by_legibility);
        let index =
            call("saekit.index", &Index::of(&Head::of(summary, title, report), &self.lines));
        write_atomic(&self.dir.join("data/index.js"), |file| file.write_all(index.as_bytes()))?;
        let path = self.dir.join("index.html");
        write_atomic(&path, |file| file.write_all(INDEX_HTML))?;
        Ok(path)
    }
}

impl Head {
    fn of(summary: &Summary, title: &str, report: Option<&str>) -> Self {
        let missing = |part: &Missing| (part.section.clone(), part.why.clone());
        Self {
            format: Summary::FORMAT,
            version: Summary::VERSION,
            title: title.to_owned(),
            facts: facts(summary),
            rule: LEGIBILITY_RULE,
            missing: summary.missing.iter().map(missing).collect(),
            report: report.map(str::to_owned),
        }
    }
}

impl<'a> Index<'a> {
    fn of(head: &'a Head, lines: &'a [FeatureLine]) -> Self {
        let short = |value: Option<f64>| value.map(rounded);
        Self {
            head,
            latents: lines.iter().map(|line| line.latent).collect(),
            legibility: lines.iter().map(|line| rounded(line.legibility)).collect(),
            density: lines.iter().map(|line| rounded(line.density)).collect(),
            max: lines.iter().map(|line| short(line.max.map(f64::from))).collect(),
            scale_end: lines.iter().map(|line| short(line.scale_end.map(f64::from))).collect(),
            contextual: lines.iter().map(|line| short(line.contextual)).collect(),
            flags: lines.iter().map(|line| bits(&line.flags)).collect(),
            tokens: lines.iter().map(|line| &line.tokens[..]).collect(),
            snippets: lines.iter().map(|line| line.snippet.as_ref().map(snippet)).collect(),
        }
    }
}

fn snippet(cut: &Snippet) -> Cut<'_> {
    let values = cut.values.iter().map(|value| rounded(f64::from(*value))).collect();
    (&cut.texts, values, cut.at)
}

fn bits(flags: &[Flag]) -> u8 {
    let bit = |flag: &Flag| match flag {
        Flag::Dead => 1,
        Flag::Dense => 2,
        Flag::Duplicate => 4,
    };
    flags.iter().map(bit).fold(0, |sum, bit| sum | bit)
}

/// A script that hands `value` to `function`.
fn call<T: Serialize>(function: &str, value: &T) -> String {
    let json = serde_json::to_string(value).expect("plain data serialises");
    format!("{function}({});\n", script(&json))
}

fn write_assets(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).map_err(CoreError::io("create", dir))?;
    for (name, bytes) in ASSETS {
        write_atomic(&dir.join(name), |file| file.write_all(bytes))?;
    }
    Ok(())
}

/// Removes the features of a site that was here before: those of latents, by their names.
fn remove_features(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir).map_err(CoreError::io("read", dir))? {
        let path = entry.map_err(CoreError::io("read", dir))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
        let latent = name.strip_suffix(".js").unwrap_or("");
        if latent.parse::<u32>().is_ok_and(|number| number.to_string() == latent) {
            remove(&path)?;
        }
    }
    Ok(())
}

/// Removes the file at `path`, if there is one.
fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => {
            Err(CoreError::io("replace", path)(source).into())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use tempfile::TempDir;

    use super::*;
    use crate::fixtures;

    fn writer(dir: &Path) -> SiteWriter {
        SiteWriter::create(dir, 4).unwrap()
    }

    fn finish(site: SiteWriter) -> Result<PathBuf> {
        site.finish(&fixtures::summary(4), "a title", None)
    }

    /// A site of four features, one of each kind.
    fn site() -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        let mut site = writer(dir.path());
        for feature in fixtures::all() {
            site.push(&feature).unwrap();
        }
        assert_eq!(finish(site).unwrap(), dir.path().join("index.html"));
        dir
    }

    fn argument(dir: &TempDir, file: &str, function: &str) -> Value {
        let script = fs::read_to_string(dir.path().join(file)).unwrap();
        assert!(!script.contains(['<', '\u{2028}', '\u{2029}']), "{script}");
        let json = script.strip_prefix(function).unwrap().strip_prefix('(').unwrap();
        serde_json::from_str(json.strip_suffix(");\n").unwrap()).unwrap()
    }

    fn files(dir: &Path) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![dir.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push(path.strip_prefix(dir).unwrap().display().to_string());
                }
            }
        }
        found.sort();
        found
    }

    #[test]
    fn a_site_is_these_files() {
        let features = (0..4).map(|i| format!("data/features/{i}.js"));
        let scripts = ["elements", "index", "chart", "feature", "main"];
        let mut expected = ["index.html", "assets/base.css", "assets/style.css", "data/index.js"]
            .map(str::to_owned)
            .to_vec();
        expected.extend(scripts.map(|name| format!("assets/{name}.js")));
        expected.extend(features);
        expected.sort();
        assert_eq!(files(site().path()), expected);
    }

    /// Each script opens with what it is for, and `index.html` names it.
    #[test]
    fn every_asset_is_loaded() {
        let html = str::from_utf8(INDEX_HTML).unwrap();
        for (name, bytes) in ASSETS {
            assert!(html.contains(&format!("=\"assets/{name}\"")), "{name}");
            assert!(bytes.starts_with(b"/* "), "{name}");
        }
    }

    #[test]
    fn the_index_is_ordered_by_legibility_with_the_dead_last() {
        let dir = site();
        let index = argument(&dir, "data/index.js", "saekit.index");
        assert_eq!(index["latents"], serde_json::json!([0, 1, 3, 2]));
        assert_eq!(index["legibility"], serde_json::json!([0.93, 0.5, 0.5, 0.9]));
        assert_eq!(index["flags"], serde_json::json!([4, 0, 2, 1]));
        assert_eq!(index["max"], serde_json::json!([12.25, 3.0, 2.0, null]));
        assert_eq!(index["contextual"], serde_json::json!([0.71, 0.2, null, null]));
        assert_eq!(index["tokens"][0], serde_json::json!([" sea", "海"]));
        assert_eq!(
            index["snippets"][0],
            serde_json::json!([[" in", " the", " sea"], [0.0, 0.0, 12.25], 2])
        );
        assert_eq!(index["snippets"][2], Value::Null);
        assert_eq!(
            (&index["title"], &index["rule"], &index["report"]),
            (&"a title".into(), &LEGIBILITY_RULE.into(), &Value::Null)
        );
        assert_eq!(index["missing"], serde_json::json!([["logits", "no model was given"]]));
        assert_eq!(
            index["facts"][0],
            serde_json::json!(["hook point", "blocks.1.hook_resid_post"])
        );
    }

    #[test]
    fn hostile_tokens_come_through_unharmed() {
        let dir = site();
        let feature = argument(&dir, "data/features/1.js", "saekit.feature");
        assert_eq!(serde_json::from_value::<Feature>(feature).unwrap(), fixtures::hostile());
    }

    #[test]
    fn only_a_finished_site_has_an_index() {
        let dir = site();
        let mut again = writer(dir.path());
        assert!(!dir.path().join("index.html").exists(), "the old index belongs to no site");
        again.push(&fixtures::legible()).unwrap();
        assert!(!dir.path().join("data/features/3.js").exists(), "a feature of the old site");
        let message = finish(again).unwrap_err().to_string();
        assert_eq!(message, "the site was given 1 features, expected 4, one a latent");
        assert!(!dir.path().join("index.html").exists());
    }

    #[test]
    fn files_of_others_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let features = dir.path().join("data/features");
        fs::create_dir_all(&features).unwrap();
        for name in ["mine.js", "007.js", "7.txt"] {
            fs::write(features.join(name), "mine").unwrap();
        }
        fs::write(features.join("7.js"), "of a site before").unwrap();
        writer(dir.path());
        assert_eq!(files(&features), ["007.js", "7.txt", "mine.js"]);
    }

    #[test]
    fn a_feature_is_given_once_and_is_of_this_codec() {
        let dir = tempfile::tempdir().unwrap();
        let mut site = writer(dir.path());
        site.push(&fixtures::dead()).unwrap();
        let message = site.push(&fixtures::dead()).unwrap_err().to_string();
        assert_eq!(message, "feature 2 was given twice");
        let message =
            site.push(&Feature { latent: 9, ..fixtures::dead() }).unwrap_err().to_string();
        assert_eq!(message, "latent 9 is not one of the 4 latents of the codec the site is about");
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let failed = SiteWriter::create(&file, 4);
        assert!(failed.unwrap_err().to_string().contains("file"), "the path");
    }
}
