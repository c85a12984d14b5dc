//! The arguments of a tool: the schema that clients see, and the check of what they send, made from the same rows.
//!
//! Source: MCP, "Tools"; JSON Schema 2020-12. Deliberately plain: no type lists, no references, no formats, for some
//! clients map schemas onto a dialect that has none of them.

use serde_json::{Map, Value, json};

use crate::base::bytes::{clean_text, is_unseen};
use crate::base::{Error, Kind};

/// One argument, or one field of an object.
pub struct Argument {
    /// What a call names it by.
    pub name: &'static str,
    /// What it looks like.
    pub form: Form,
    /// Whether it must be there.
    pub required: bool,
    /// What a model reads of it.
    pub description: &'static str,
}

impl Argument {
    /// A row of an argument that must be there.
    pub const fn required(name: &'static str, form: Form, description: &'static str) -> Self {
        Self { name, form, required: true, description }
    }

    /// A row of one that may be left out.
    pub const fn optional(name: &'static str, form: Form, description: &'static str) -> Self {
        Self { name, form, required: false, description }
    }
}

/// What a value looks like.
#[derive(Clone, Copy)]
pub enum Form {
    /// The id of a server.
    Server,
    /// A string of 1 to this many characters.
    Text {
        /// Characters at most.
        max: usize,
    },
    /// `true` or `false`; `false` where it is left out.
    Flag,
    /// A whole number.
    Number {
        /// The smallest.
        min: usize,
        /// The largest.
        max: usize,
    },
    /// One of these words.
    Word(&'static [&'static str]),
    /// An object with these fields, and no others.
    Object(&'static [Argument]),
    /// An object with exactly one of these fields.
    OneOf(&'static [Argument]),
}

// The longest name in DNS is 253 bytes, and a server's id is a name of that kind.
const MAX_SERVER_ID: usize = 256;
/// Characters of an unknown argument's name that a sentence shows.
const SHOWN: usize = 40;
/// Bytes of an object that comes as a string: twelve for each character of the longest text.
const MAX_PACKED: usize = 16 << 10;

/// Arguments that are as their rows want them.
#[derive(Clone, Debug, Default)]
pub struct Arguments(Map<String, Value>);

impl Arguments {
    /// The string of that name.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// The id of the server, which every row that has one requires.
    pub fn server(&self) -> &str {
        self.text("serverId").unwrap_or_default()
    }

    /// Whether it is there and true.
    pub fn flag(&self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or_default()
    }

    /// The number of that name.
    pub fn number(&self, name: &str) -> Option<usize> {
        whole(self.0.get(name)?)
    }

    /// The fields of the object of that name.
    pub fn object(&self, name: &str) -> Option<Self> {
        self.0.get(name)?.as_object().cloned().map(Self)
    }
}

/// The schema of an object with these fields.
pub fn schema(fields: &[Argument]) -> Value {
    let mut properties = Map::new();
    for field in fields {
        let mut schema = match field.form {
            Form::Server => json!({ "type": "string", "minLength": 1, "maxLength": MAX_SERVER_ID }),
            Form::Text { max } => json!({ "type": "string", "minLength": 1, "maxLength": max }),
            Form::Flag => json!({ "type": "boolean", "default": false }),
            Form::Number { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
            Form::Word(words) => json!({ "type": "string", "enum": words }),
            Form::Object(fields) => self::schema(fields),
            Form::OneOf(fields) => {
                let mut schema = self::schema(fields);
                (schema["minProperties"], schema["maxProperties"]) = (1.into(), 1.into());
                schema
            }
        };
        schema["description"] = field.description.into();
        properties.insert(field.name.to_owned(), schema);
    }
    let required: Vec<&str> = fields.iter().filter(|field| field.required).map(|field| field.name).collect();
    let mut schema = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema["additionalProperties"] = false.into();
    schema
}

/// The arguments, if they are what the schema asks for; null stands for none. An error says how to call it right.
///
/// Observed of clients, and understood: null for an optional field, an object as a string of JSON, and something made up
/// for a tool that has no arguments.
pub fn check(arguments: &Value, rows: &[Argument]) -> Result<Arguments, Error> {
    if rows.is_empty() {
        return Ok(Arguments::default());
    }
    let wrong = |what: String| Error::new(Kind::Usage, what).hint(format!("call it with {}", describe(rows)));
    let given = match arguments {
        Value::Null => Map::new(),
        Value::Object(given) => unpacked(given, rows),
        _ => return Err(wrong("the arguments are not an object".to_owned())),
    };
    fields(&given, rows, "").map_err(|wrong_server| match wrong_server {
        Wrong::Server(what) => Error::new(Kind::Usage, what).hint("take one from list_servers"),
        Wrong::Other(what) => wrong(what),
    })?;
    Ok(Arguments(given))
}

/// The fields without those that are null, each object as one.
fn unpacked(given: &Map<String, Value>, rows: &[Argument]) -> Map<String, Value> {
    let is_given = |(_, value): &(&String, &Value)| !value.is_null();
    let unpack = |(name, value): (&String, &Value)| {
        let form = rows.iter().find(|row| row.name == name).map(|row| row.form);
        let value = match (form, value) {
            (Some(Form::Object(rows) | Form::OneOf(rows)), Value::Object(given)) => unpacked(given, rows).into(),
            (Some(Form::Object(rows) | Form::OneOf(rows)), Value::String(text)) if text.len() <= MAX_PACKED => {
                match serde_json::from_str(text) {
                    Ok(Value::Object(given)) => unpacked(&given, rows).into(),
                    _ => value.clone(),
                }
            }
            _ => value.clone(),
        };
        (name.clone(), value)
    };
    given.iter().filter(is_given).map(unpack).collect()
}

/// What is wrong, and whether the id of a server is.
enum Wrong {
    Server(String),
    Other(String),
}

/// Checks the fields of an object; `path` leads to it, `region.` for instance.
fn fields(given: &Map<String, Value>, rows: &[Argument], path: &str) -> Result<(), Wrong> {
    for name in given.keys() {
        if !rows.iter().any(|row| row.name == name) {
            let name: String = clean_text(name).chars().take(SHOWN).collect();
            return Err(Wrong::Other(format!("unknown argument {:?}", format!("{path}{name}"))));
        }
    }
    for Argument { name, form, required, .. } in rows {
        let name = format!("{path}{name}");
        let wrong = |what: String| match form {
            Form::Server => Wrong::Server(what),
            _ => Wrong::Other(what),
        };
        match (given.get(&name[path.len()..]), form) {
            (None, _) if !required => {}
            (None, _) => return Err(wrong(format!("the argument {name} is missing"))),
            (Some(Value::Bool(_)), Form::Flag) => {}
            (Some(Value::String(text)), Form::Server | Form::Text { .. }) => {
                let max = if let Form::Text { max } = form { *max } else { MAX_SERVER_ID };
                let length = text.chars().count();
                if !(1..=max).contains(&length) {
                    let what = format!("the argument {name} has {length} characters, 1 to {max} are allowed");
                    return Err(wrong(what));
                }
                if matches!(form, Form::Server) && text.contains(is_unseen) {
                    return Err(wrong(format!("the argument {name} holds a control character, as no id does")));
                }
            }
            (Some(value), Form::Number { min, max }) if whole(value).is_some_and(|n| (*min..=*max).contains(&n)) => {}
            (Some(Value::String(word)), Form::Word(words)) if words.contains(&word.as_str()) => {}
            (Some(Value::Object(given)), Form::Object(rows)) => fields(given, rows, &format!("{name}."))?,
            (Some(Value::Object(given)), Form::OneOf(rows)) => {
                if given.len() != 1 {
                    return Err(Wrong::Other(format!("the argument {name} has {} fields", given.len())));
                }
                fields(given, rows, &format!("{name}."))?;
            }
            // An argument of another type is no id that can be mended.
            (Some(_), form) => return Err(Wrong::Other(format!("the argument {name} is not {}", form.name()))),
        }
    }
    Ok(())
}

/// JSON has one kind of number: 10.0 is whole.
fn whole(value: &Value) -> Option<usize> {
    let number = value.as_f64().filter(|number| number.fract() == 0.0 && (0.0..=1e15).contains(number))?;
    Some(number as usize)
}

fn describe(rows: &[Argument]) -> String {
    let describe = |row: &Argument| {
        let optional = if row.required { "" } else { ", optional" };
        format!("{} ({}{optional})", row.name, row.form.name())
    };
    rows.iter().map(describe).collect::<Vec<_>>().join(", ")
}

fn names(fields: &[Argument]) -> String {
    fields.iter().map(|field| field.name).collect::<Vec<_>>().join(", ")
}

impl Form {
    fn name(self) -> String {
        match self {
            Self::Server | Self::Text { .. } => "a string".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Number { min, max } => format!("a whole number from {min} to {max}"),
            Self::Word(words) => words.join(" or "),
            Self::Object(fields) => format!("an object of {}", names(fields)),
            Self::OneOf(fields) => format!("an object with one of {}", names(fields)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: &[Argument] = &[
        Argument::required("serverId", Form::Server, ""),
        Argument::optional("region", REGION, ""),
        Argument::optional("until", UNTIL, ""),
    ];

    const REGION: Form = Form::Object(&[
        Argument::required("x", Form::Number { min: 0, max: 9 }, ""),
        Argument::optional("all", Form::Flag, ""),
    ]);

    const UNTIL: Form = Form::OneOf(&[
        Argument::optional("text", Form::Text { max: 3 }, ""),
        Argument::optional("power", Form::Word(&["on", "off"]), ""),
    ]);

    const USAGE: &str = "; call it with serverId (a string), region (an object of x, all, optional), until (an object \
        with one of text, power, optional)";

    #[test]
    fn what_the_schema_allows_is_read_as_it_was_meant() {
        let given = json!({ "serverId": "ns1", "region": { "x": 9.0, "all": true } });
        let arguments = check(&given, ROWS).unwrap();
        let region = arguments.object("region").unwrap();
        assert_eq!((arguments.server(), region.number("x"), region.flag("all")), ("ns1", Some(9), true));
        let least = check(&json!({ "serverId": "ns1" }), ROWS).unwrap();
        assert!(least.object("region").is_none() && least.number("x").is_none() && !least.flag("all"));
        assert_eq!(schema(ROWS)["properties"]["region"]["required"], json!(["x"]));
        assert_eq!(schema(ROWS)["properties"]["region"]["additionalProperties"], false);
    }

    #[test]
    fn an_id_that_would_break_a_sentence_is_refused() {
        for id in ["ns1\n", "\u{202e}ns1", "ns\u{1b}[2J1"] {
            let error = check(&json!({ "serverId": id }), ROWS).unwrap_err().to_string();
            let wanted = "the argument serverId holds a control character, as no id does; take one from list_servers";
            assert_eq!(error, wanted, "{id:?}");
        }
    }

    #[test]
    fn a_field_of_an_object_is_checked_like_an_argument_and_named_with_its_path() {
        for (region, sentence) in [
            (json!({}), "the argument region.x is missing"),
            (json!({ "x": 10 }), "the argument region.x is not a whole number from 0 to 9"),
            (json!({ "x": 0.5 }), "the argument region.x is not a whole number from 0 to 9"),
            (json!({ "x": -1 }), "the argument region.x is not a whole number from 0 to 9"),
            (json!({ "x": "1" }), "the argument region.x is not a whole number from 0 to 9"),
            (json!({ "x": 1, "y": 1 }), "unknown argument \"region.y\""),
            (json!([1]), "the argument region is not an object of x, all"),
        ] {
            let error = check(&json!({ "serverId": "ns1", "region": region }), ROWS).unwrap_err().to_string();
            assert_eq!(error, format!("{sentence}{USAGE}"));
        }
    }

    #[test]
    fn of_some_fields_exactly_one_is_given() {
        for (until, sentence) in [
            (json!({}), "the argument until has 0 fields"),
            (json!({ "text": "a", "power": "on" }), "the argument until has 2 fields"),
            (json!({ "text": "abcd" }), "the argument until.text has 4 characters, 1 to 3 are allowed"),
            (json!({ "power": "up" }), "the argument until.power is not on or off"),
            (json!("text"), "the argument until is not an object with one of text, power"),
        ] {
            let error = check(&json!({ "serverId": "ns1", "until": until }), ROWS).unwrap_err().to_string();
            assert_eq!(error, format!("{sentence}{USAGE}"));
        }
        let arguments = check(&json!({ "serverId": "ns1", "until": { "power": "off" } }), ROWS).unwrap();
        assert_eq!(arguments.object("until").unwrap().text("power"), Some("off"));
        assert_eq!(schema(ROWS)["properties"]["until"]["maxProperties"], 1);
    }

    #[test]
    fn what_clients_make_of_a_schema_is_understood() {
        let region = |region: Value| {
            let given = json!({ "serverId": "ns1", "region": region, "until": null });
            check(&given, ROWS).unwrap().object("region").map(|region| (region.number("x"), region.flag("all")))
        };
        assert_eq!(region(json!("{\"x\": 9, \"all\": true}")), Some((Some(9), true)));
        assert_eq!(region(json!({ "x": 1, "all": null })), Some((Some(1), false)));
        assert_eq!(region(Value::Null), None);
        let until = json!({ "serverId": "ns1", "until": { "text": null, "power": "on" } });
        assert_eq!(check(&until, ROWS).unwrap().object("until").unwrap().text("power"), Some("on"));
        for none in [json!({ "made_up": "x" }), json!([1]), Value::Null] {
            assert!(check(&none, &[]).unwrap().0.is_empty());
        }
    }

    #[test]
    fn what_is_packed_is_checked_like_the_rest_and_not_endless() {
        let told =
            |region: String| check(&json!({ "serverId": "ns1", "region": region }), ROWS).unwrap_err().to_string();
        assert_eq!(
            told("{\"x\": 10}".to_owned()),
            format!("the argument region.x is not a whole number from 0 to 9{USAGE}")
        );
        let long = format!("{{\"x\":{}1}}", " ".repeat(MAX_PACKED));
        for region in ["[1]".to_owned(), "{".to_owned(), "{\"x\":".repeat(2_000), long] {
            assert_eq!(told(region), format!("the argument region is not an object of x, all{USAGE}"));
        }
        assert!(check(&json!({ "serverId": null }), ROWS).unwrap_err().to_string().contains("serverId is missing"));
    }
}
