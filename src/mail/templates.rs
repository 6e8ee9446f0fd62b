//! What mails say: templates (Jinja), each of which a file in a folder can replace.

use std::{collections::BTreeSet, fs, io, path::Path};

use minijinja::{
    AutoEscape, Environment, UndefinedBehavior,
    value::{Serde, Value},
};
use serde::Serialize;
use thiserror::Error;

/// The page that a mail without a template of its own for HTML is shown on.
const LAYOUT: &str = "layout.html";

/// Why a folder of templates cannot be used.
#[derive(Debug, Error)]
pub(crate) enum TemplateError {
    #[error("{0} cannot be read: {1}")]
    Unreadable(String, io::Error),
    #[error("{0}")]
    Faulty(#[from] minijinja::Error),
    #[error("{0} is no template of a mail; they are {1}")]
    Unknown(String, String),
    #[error("{0} must begin with `Subject: ` and an empty line")]
    NoSubject(String),
}

/// The templates of all mails: `NAME.txt`, whose first line is the subject, perhaps `NAME.html`, and
/// `layout.html`.
#[derive(Debug)]
pub(crate) struct Templates {
    environment: Environment<'static>,
    own_html: BTreeSet<String>,
}

/// What a mail says.
#[derive(Debug)]
pub(crate) struct Written {
    pub subject: String,
    pub text: String,
    pub html: String,
}

#[derive(Serialize)]
struct Layout<'a> {
    subject: &'a str,
    paragraphs: Vec<Paragraph>,
}

#[derive(Serialize)]
struct Paragraph {
    text: String,
    is_link: bool,
}

impl Templates {
    /// The `built_in` ones, or what a file of the same name in `folder` has instead.
    ///
    /// # Errors
    /// When a file is no template.
    pub fn new(
        built_in: &[(&'static str, &'static str)],
        folder: Option<&Path>,
    ) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        // A misspelled variable is found when it is checked, not by a reader.
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|name| match name.ends_with(".html") {
            true => AutoEscape::Html,
            false => AutoEscape::None,
        });
        for (name, source) in built_in {
            environment.add_template(name, source)?;
        }
        let mut templates = Self {
            environment,
            own_html: BTreeSet::new(),
        };
        if let Some(folder) = folder {
            templates.read_folder(built_in, folder)?;
        }
        Ok(templates)
    }

    fn read_folder(
        &mut self,
        built_in: &[(&str, &str)],
        folder: &Path,
    ) -> Result<(), TemplateError> {
        let unreadable = |path: &Path| {
            let path = path.display().to_string();
            move |error| TemplateError::Unreadable(path, error)
        };
        let is_known = |name: &str| built_in.iter().any(|(known, _)| *known == name);
        for entry in fs::read_dir(folder).map_err(unreadable(folder))? {
            let path = entry.map_err(unreadable(folder))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with('.') || path.is_dir() {
                continue;
            }
            let mail = name
                .strip_suffix(".html")
                .filter(|mail| is_known(&format!("{mail}.txt")));
            if let Some(mail) = mail {
                self.own_html.insert(mail.to_owned());
            } else if !is_known(&name) {
                let known: Vec<&str> = built_in.iter().map(|(name, _)| *name).collect();
                return Err(TemplateError::Unknown(name.into_owned(), known.join(", ")));
            }
            let source = fs::read_to_string(&path).map_err(unreadable(&path))?;
            self.environment
                .add_template_owned(name.into_owned(), source)?;
        }
        Ok(())
    }

    /// The mail `name` about `context`.
    ///
    /// # Errors
    /// When a template asks for what there is not.
    pub fn write(&self, name: &str, context: impl Serialize) -> Result<Written, TemplateError> {
        let file = format!("{name}.txt");
        let context = Value::from(Serde(context));
        let written = self
            .environment
            .get_template(&file)?
            .render(context.clone())?;
        let parts = written
            .strip_prefix("Subject: ")
            .and_then(|rest| rest.split_once("\n\n"));
        let Some((subject, text)) = parts else {
            return Err(TemplateError::NoSubject(file));
        };
        let (subject, text) = (subject.trim().to_owned(), format!("{}\n", text.trim()));
        let html = match self.own_html.contains(name) {
            true => self
                .environment
                .get_template(&format!("{name}.html"))?
                .render(context)?,
            false => {
                let layout = Layout {
                    subject: &subject,
                    paragraphs: paragraphs(&text),
                };
                self.environment
                    .get_template(LAYOUT)?
                    .render(Value::from(Serde(layout)))?
            }
        };
        Ok(Written {
            subject,
            text,
            html,
        })
    }
}

/// The paragraphs of a text, each on one line.
fn paragraphs(text: &str) -> Vec<Paragraph> {
    let paragraphs = text.split("\n\n").map(|paragraph| {
        let text = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
        let is_web = text.starts_with("https://") || text.starts_with("http://");
        Paragraph {
            is_link: is_web && !text.contains(' '),
            text,
        }
    });
    paragraphs.collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use minijinja::context;

    use super::*;

    const BUILT_IN: &[(&str, &str)] = &[
        (
            "hello.txt",
            "Subject: Hello, {{ name }}\n\nDear\n{{ name }},\n\n{{ link }}\n",
        ),
        (
            "layout.html",
            "<h1>{{ subject }}</h1>{% for p in paragraphs %}<p>{% if p.is_link %}\
             <a href=\"{{ p.text }}\">{{ p.text }}</a>{% else %}{{ p.text }}{% endif %}</p>\
             {% endfor %}",
        ),
    ];

    fn hello(templates: &Templates) -> Result<Written, TemplateError> {
        let context = context! { name => "A<b>", link => "https://a.example/x#token=1" };
        templates.write("hello", context)
    }

    #[test]
    fn html_says_what_the_text_says_and_escapes_it() {
        let written = hello(&Templates::new(BUILT_IN, None).unwrap()).unwrap();
        assert_eq!(written.subject, "Hello, A<b>");
        assert_eq!(written.text, "Dear\nA<b>,\n\nhttps://a.example/x#token=1\n");
        assert_eq!(
            written.html.replace("&#x2f;", "/"),
            "<h1>Hello, A&lt;b&gt;</h1><p>Dear A&lt;b&gt;,</p>\
             <p><a href=\"https://a.example/x#token=1\">https://a.example/x#token=1</a></p>"
        );
    }

    #[test]
    fn files_take_the_place_of_templates() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        put("hello.txt", "Subject: Hi\n\nHi {{ name }}");
        put("hello.html", "<b>{{ name }}</b>");
        let read = || Templates::new(BUILT_IN, Some(folder.path()));
        let written = hello(&read().unwrap()).unwrap();
        assert_eq!(
            (written.text.as_str(), written.html.as_str()),
            ("Hi A<b>\n", "<b>A&lt;b&gt;</b>")
        );

        put("hello.txt", "Hi {{ name }}");
        let error = hello(&read().unwrap()).unwrap_err().to_string();
        assert!(error.contains("must begin with `Subject: `"), "{error}");
        put("hello.txt", "Subject: Hi\n\nHi {{ nobody }}");
        assert!(hello(&read().unwrap()).is_err());
        put("hello.txt", "Subject: {% if %}");
        assert!(read().is_err());
        put("hello.txt", "Subject: Hi\n\nHi");
        put("helo.txt", "");
        let error = read().unwrap_err().to_string();
        assert!(
            error.contains("helo.txt") && error.contains("hello.txt"),
            "{error}"
        );
    }
}
