//! ovh.conf, the file that OVH's own clients read: sections in brackets, lines of `key = value`.
//!
//! Source: OVH's official clients. A comment is a line that begins with `#` or `;`. Deliberately absent: values over
//! several lines, interpolation.

/// The values of one file, in its order.
#[derive(Debug, Default)]
pub(super) struct OvhConf {
    values: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    section: String,
    key: String,
    value: String,
}

impl OvhConf {
    /// Reads a file's text. A line that is neither a section nor a value is skipped: the number of the first such
    /// line is the second half of the answer.
    pub(super) fn parse(text: &str) -> (Self, Option<usize>) {
        let mut conf = Self::default();
        let mut section = String::new();
        let mut odd = None;
        for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = name.trim().to_owned();
            } else if let Some((key, value)) = line.split_once(['=', ':']) {
                let (key, value) = (key.trim().to_ascii_lowercase(), unquote(value.trim()).to_owned());
                conf.values.push(Entry { section: section.clone(), key, value });
            } else {
                odd = odd.or(Some(index + 1));
            }
        }
        (conf, odd)
    }

    /// The first value of `key`, in lower case, in a section that `is_section` recognizes; an empty one is none.
    pub(super) fn value(&self, key: &str, is_section: impl Fn(&str) -> bool) -> Option<&str> {
        let mut entries = self.values.iter().filter(|entry| entry.key == key && is_section(&entry.section));
        entries.find(|entry| !entry.value.is_empty()).map(|entry| entry.value.as_str())
    }
}

fn unquote(value: &str) -> &str {
    let inner = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_in_their_section_only() {
        let text = "\u{feff}; mine\n[default]\r\nendpoint = ovh-eu\n\n[ovh-eu]\n# keys\nApplication_Key=\"a=b\"\n\
                    consumer_key: 'c'\nempty =\n[ovh-ca]\nconsumer_key=other\n";
        let (conf, odd) = OvhConf::parse(text);
        assert_eq!(odd, None);
        let value = |section: &str, key: &str| conf.value(key, |name| name == section).map(str::to_owned);
        assert_eq!(value("default", "endpoint").as_deref(), Some("ovh-eu"));
        assert_eq!(value("ovh-eu", "application_key").as_deref(), Some("a=b"));
        assert_eq!(value("ovh-eu", "consumer_key").as_deref(), Some("c"));
        assert_eq!(value("ovh-ca", "consumer_key").as_deref(), Some("other"));
        assert_eq!(value("ovh-eu", "empty"), None);
        assert_eq!(value("ovh-us", "consumer_key"), None);
    }

    #[test]
    fn a_line_that_means_nothing_is_named_and_the_rest_still_counts() {
        let (conf, odd) = OvhConf::parse("[default]\nnonsense\n[x\nendpoint=eu");
        assert_eq!(odd, Some(2));
        assert_eq!(conf.value("endpoint", |section| section == "default"), Some("eu"));
    }
}
