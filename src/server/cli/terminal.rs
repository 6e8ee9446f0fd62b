//! Reading from and writing to the terminal.

use std::io::{self, Read, Write};

use serde::Serialize;

use super::Failure;

/// Writes a line to standard output. A reader that is gone is no error.
pub fn say(line: &str) -> Result<(), Failure> {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome.map_err(Failure::other),
    }
}

/// Writes a warning to standard error. A reader that is gone is no error.
pub fn warn(line: &str) -> Result<(), Failure> {
    match writeln!(io::stderr(), "warning: {line}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome.map_err(Failure::other),
    }
}

/// Escapes control and format characters of untrusted text, which a terminal would act on.
pub fn harmless(text: &str) -> String {
    let is_acted_on = |c: char| {
        c.is_control()
            || matches!(c,
                '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    };
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match is_acted_on(c) {
            true => shown.extend(c.escape_unicode()),
            false => shown.push(c),
        }
    }
    shown
}

/// Writes a line of JSON.
pub fn say_json(value: &impl Serialize) -> Result<(), Failure> {
    say(&serde_json::to_string(value).map_err(Failure::other)?)
}

/// A password: a line of standard input, or typed twice at a prompt.
pub fn read_password(from_stdin: bool) -> Result<String, Failure> {
    if from_stdin {
        let mut text = String::new();
        io::stdin()
            .read_to_string(&mut text)
            .map_err(Failure::other)?;
        let line = text.strip_suffix('\n').unwrap_or(&text);
        return Ok(line.strip_suffix('\r').unwrap_or(line).to_owned());
    }
    let ask = |prompt| {
        rpassword::prompt_password(prompt).map_err(|error| {
            Failure::Mistakes(vec![format!(
                "password: cannot be asked for here ({error}); pass --password-stdin"
            )])
        })
    };
    let password = ask("Password: ")?;
    if ask("Again: ")? != password {
        return Err(Failure::Mistakes(vec![
            "password: the two are not the same".to_owned(),
        ]));
    }
    Ok(password)
}
