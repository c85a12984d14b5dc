//! The tools: one table that says how each is called and what it does.
//!
//! The schema that clients see and the check of the arguments are made from the same rows. A wrong argument is a
//! failed call with a sentence, not a protocol error, so that the model reads it and does better (SEP-1303).

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::content;
use crate::base::bytes::clean_text;
use crate::base::{Error, Kind, Server, Watch};
use crate::ops::{Ops, ScreenshotOptions};

/// What the server tells a model about itself.
pub const INSTRUCTIONS: &str = "Eyes on the consoles of bare-metal servers, through their BMC (iKVM, IPMI): what a \
    monitor plugged into the machine would show, from firmware to login prompt, even when the operating system, the \
    network or SSH is down. Call list_servers for the ids, then get_screenshot to see a screen; look again after a \
    few seconds to follow a boot. Nothing here types, clicks or changes power: the tools only look.";

/// One tool.
pub struct Tool {
    /// What a call names it by.
    pub name: &'static str,
    /// Whether an answer may take many seconds, so that it is worth a stream from the start.
    pub slow: bool,
    title: &'static str,
    description: &'static str,
    arguments: &'static [Argument],
    output: Option<fn() -> Value>,
    run: Run,
}

/// Does it, with arguments that are as the schema wants them.
type Run = fn(&Ops, &Map<String, Value>, &Wait) -> Result<Value, Error>;

/// How long an answer is waited for.
pub struct Wait<'a> {
    /// Over the whole call.
    pub watch: &'a Watch,
    /// When to answer that it still goes on; `None` where the client sees progress and waits to the end.
    pub patience: Option<Duration>,
}

struct Argument {
    name: &'static str,
    form: Form,
    required: bool,
    description: &'static str,
}

#[derive(Clone, Copy)]
enum Form {
    /// A string of 1 to this many characters.
    Text { max: usize },
    /// `true` or `false`; `false` where it is left out.
    Flag,
}

// The longest name in DNS is 253 bytes, and a server's id is a name of that kind.
const MAX_SERVER_ID: usize = 256;

/// All tools, in the order in which they are listed.
pub static TOOLS: &[Tool] = &[
    Tool {
        name: "list_servers",
        slow: false,
        title: "List servers",
        description: "Lists the bare-metal servers whose consoles can be seen here: id, name, provider, datacenter \
            and IP address of each, and where known its state, power and operating system. Call it first: \
            get_screenshot takes an id from this list. Answers within seconds and changes nothing.",
        arguments: &[],
        output: Some(servers_schema),
        run: list_servers,
    },
    Tool {
        name: "get_screenshot",
        slow: true,
        title: "Look at a server's console",
        description: "Takes a picture of what is on a bare-metal server's screen right now, through its BMC: BIOS \
            setup, boot loader, kernel messages, a panic, an installer, a rescue shell, a login prompt. Use it when a \
            server does not boot, does not answer on the network, or to watch a reboot or an installation. Returns a \
            PNG and a text with the facts (screen size, scale, power state, when it was taken); a server that is \
            switched off or sends no video is answered with the facts alone. The first look at a server opens a \
            console session, which can take a minute. Only looks: it types nothing and changes nothing.",
        arguments: &[
            Argument {
                name: "serverId",
                form: Form::Text { max: MAX_SERVER_ID },
                required: true,
                description: "The id of a server as list_servers tells it, for example ns1234567.ip-1-2-3.eu.",
            },
            Argument {
                name: "raw",
                form: Form::Flag,
                required: false,
                description: "true for the console's own pixels, untouched. By default the picture is made easier to \
                    read for a model: enlarged where it is small, and brighter.",
            },
        ],
        output: None,
        run: screenshot,
    },
];

impl Tool {
    /// The tool of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        TOOLS.iter().find(|tool| tool.name == name)
    }

    /// The tool as `tools/list` shows it.
    pub fn definition(&self) -> Value {
        let mut definition = json!({
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "inputSchema": self.input_schema(),
        });
        if let Some(output) = self.output {
            definition["outputSchema"] = output();
        }
        // The same for all: they look at a world outside, and leave it as it is.
        definition["annotations"] =
            json!({ "readOnlyHint": true, "destructiveHint": false, "idempotentHint": true, "openWorldHint": true });
        definition
    }

    /// Does what the tool does and says how it went: a result either way. `arguments` is null where there were none.
    pub fn call(&self, ops: &Ops, arguments: &Value, wait: &Wait) -> Value {
        let done = self.check(arguments).and_then(|arguments| (self.run)(ops, &arguments, wait));
        done.unwrap_or_else(|error| content::failure(&error))
    }

    fn input_schema(&self) -> Value {
        let mut properties = Map::new();
        for argument in self.arguments {
            let mut schema = match argument.form {
                Form::Text { max } => json!({ "type": "string", "minLength": 1, "maxLength": max }),
                Form::Flag => json!({ "type": "boolean", "default": false }),
            };
            schema["description"] = argument.description.into();
            properties.insert(argument.name.to_owned(), schema);
        }
        let required: Vec<&str> = self.arguments.iter().filter(|a| a.required).map(|a| a.name).collect();
        let mut schema = json!({ "type": "object", "properties": properties });
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        schema["additionalProperties"] = false.into();
        schema
    }

    /// The arguments, if they are what the schema asks for.
    fn check(&self, arguments: &Value) -> Result<Map<String, Value>, Error> {
        let wrong = |what: String| Error::new(Kind::Usage, what).doing(self.name);
        let arguments = match arguments {
            Value::Null => Map::new(),
            Value::Object(arguments) => arguments.clone(),
            _ => return Err(wrong("the arguments are not an object".to_owned()).hint(self.usage())),
        };
        for name in arguments.keys() {
            if !self.arguments.iter().any(|argument| argument.name == name) {
                let name: String = clean_text(name).chars().take(40).collect();
                return Err(wrong(format!("unknown argument {name:?}")).hint(self.usage()));
            }
        }
        for Argument { name, form, required, .. } in self.arguments {
            match (arguments.get(*name), form) {
                (None, _) if !required => {}
                (None, _) => {
                    return Err(wrong(format!("the argument {name} is missing")).hint("take one from list_servers"));
                }
                (Some(Value::Bool(_)), Form::Flag) => {}
                (Some(Value::String(text)), Form::Text { max }) if (1..=*max).contains(&text.chars().count()) => {}
                (Some(Value::String(text)), Form::Text { max }) => {
                    let length = text.chars().count();
                    let what = format!("the argument {name} has {length} characters, 1 to {max} are allowed");
                    return Err(wrong(what).hint("take one from list_servers"));
                }
                (Some(_), form) => {
                    return Err(wrong(format!("the argument {name} is not {}", form.name())).hint(self.usage()));
                }
            }
        }
        Ok(arguments)
    }

    /// How to call it right, as an imperative.
    fn usage(&self) -> String {
        let describe = |argument: &Argument| {
            let optional = if argument.required { "" } else { ", optional" };
            format!("{} ({}{optional})", argument.name, argument.form.name())
        };
        match self.arguments {
            [] => "call it without arguments".to_owned(),
            arguments => format!("call it with {}", arguments.iter().map(describe).collect::<Vec<_>>().join(", ")),
        }
    }
}

impl Form {
    fn name(self) -> &'static str {
        match self {
            Self::Text { .. } => "a string",
            Self::Flag => "true or false",
        }
    }
}

fn list_servers(ops: &Ops, _: &Map<String, Value>, wait: &Wait) -> Result<Value, Error> {
    let servers = ops.list_servers(wait.watch)?;
    let described: Vec<Value> = servers.iter().map(describe).collect();
    Ok(content::structured(servers_json(&servers), json!({ "servers": described })))
}

/// The servers as the text of `list_servers`: a JSON array in one line.
pub fn servers_json(servers: &[Server]) -> String {
    Value::from_iter(servers.iter().map(describe)).to_string()
}

/// One server: what every answer has, then what is known.
fn describe(server: &Server) -> Value {
    let mut described = json!({
        "id": server.id,
        "name": server.name,
        "provider": server.provider,
        "datacenter": server.datacenter,
        "ip": server.ip,
    });
    let power = server.power.map(|power| power.name().to_owned());
    for (key, value) in [("state", server.state.clone()), ("power", power), ("os", server.os.clone())] {
        if let Some(value) = value {
            described[key] = value.into();
        }
    }
    described
}

fn servers_schema() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    // Not `"type": ["string", "null"]`: some clients map schemas onto a dialect that has one type each.
    let text_or_null =
        |description: &str| json!({ "anyOf": [{ "type": "string" }, { "type": "null" }], "description": description });
    json!({
        "type": "object",
        "properties": {
            "servers": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "id": text("What get_screenshot takes as serverId."),
                        "name": text("What people call it."),
                        "provider": text("Where it comes from: ovh, demo."),
                        "datacenter": text_or_null("The provider's short name of the datacenter."),
                        "ip": text_or_null("The main public address."),
                        "state": text("The provider's word for its condition, where known."),
                        "power": { "type": "string", "enum": ["on", "off"], "description": "Where known." },
                        "os": text("The operating system that the provider installed, where known."),
                    },
                    "required": ["id", "name", "provider", "datacenter", "ip"],
                },
            },
        },
        "required": ["servers"],
    })
}

fn screenshot(ops: &Ops, arguments: &Map<String, Value>, wait: &Wait) -> Result<Value, Error> {
    let server = arguments.get("serverId").and_then(Value::as_str).unwrap_or_default();
    let raw = arguments.get("raw").and_then(Value::as_bool).unwrap_or_default();
    let options = ScreenshotOptions { raw, patience: wait.patience, ..ScreenshotOptions::default() };
    let screenshot = ops.screenshot(server, &options, wait.watch)?;
    let picture = screenshot.png.as_deref().map(content::png);
    Ok(content::blocks(picture.into_iter().chain([content::text(screenshot.facts)]).collect()))
}
