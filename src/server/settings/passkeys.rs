//! The settings of passkeys, and what authenticator apps call the site.

use url::Url;

use super::{EnvReader, config::Environment, values::origin};
use crate::auth::RelyingParty;

/// The site as authenticators know it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PasskeySettings {
    /// `RP_ID` and `RP_ORIGINS`; none where there are no passkeys, as the site's domain is not known
    pub relying_party: Option<RelyingParty>,
    /// What authenticator apps show beside codes
    pub issuer: String,
}

impl PasskeySettings {
    pub(super) fn read(env: &mut EnvReader<'_>, environment: Environment, port: u16) -> Self {
        let mut origins = env.list("RP_ORIGINS", origin);
        let public_url = env.text("PUBLIC_URL").and_then(origin_of);
        let own = match environment {
            // Whatever HOST is: browsers trust `localhost` over http, and no address.
            Environment::Development => Some(format!("http://localhost:{port}")),
            Environment::Production => None,
        };
        let on_any_port = origins.is_empty() && public_url.is_none() && port == 0;
        if origins.is_empty() {
            origins.extend(public_url.clone().or(own.clone()));
        }
        let of_site = public_url.as_deref().or(own.as_deref());
        let id = env.text("RP_ID").map(str::to_owned);
        let id = id.or_else(|| of_site.and_then(domain_of));
        if id.is_none() && !origins.is_empty() {
            env.mistake("RP_ID", "is missing: PUBLIC_URL does not name a domain");
        }
        let relying_party = id.as_ref().map(|id| {
            let origins = origins.iter().map(String::as_str);
            match environment {
                _ if on_any_port && id == "localhost" => {
                    RelyingParty::on_any_port(id, "http://localhost")
                }
                Environment::Development => RelyingParty::in_development(id, origins),
                Environment::Production => RelyingParty::new(id, origins),
            }
        });
        let relying_party = relying_party
            .transpose()
            .map_err(|error| {
                let name = match env.text("RP_ORIGINS") {
                    Some(_) => "RP_ORIGINS",
                    None => "RP_ID",
                };
                env.mistake(name, error);
            })
            .unwrap_or_default();
        Self {
            relying_party,
            issuer: id.unwrap_or_else(|| "handstamp".to_owned()),
        }
    }
}

/// The origin of a URL, if it is on a domain: passkeys cannot be bound to an address.
fn origin_of(text: &str) -> Option<String> {
    let origin = Url::parse(text).ok()?.origin().ascii_serialization();
    domain_of(&origin).map(|_| origin)
}

fn domain_of(origin: &str) -> Option<String> {
    Url::parse(origin).ok()?.domain().map(str::to_owned)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::server::settings::{ConfigError, Variables};

    fn read(
        environment: Environment,
        variables: &[(&str, &str)],
    ) -> Result<PasskeySettings, ConfigError> {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let variables: Variables = variables.collect();
        let mut env = EnvReader::new(&variables, ["RP_ID", "RP_ORIGINS", "PUBLIC_URL"]);
        let settings = PasskeySettings::read(&mut env, environment, 5000);
        env.finish(settings)
    }

    #[test]
    fn the_domain_is_that_of_the_public_url_or_localhost() {
        use Environment::{Development, Production};
        let issuer = |environment, variables: &[(&str, &str)]| {
            let settings = read(environment, variables).unwrap();
            (settings.issuer, settings.relying_party.is_some())
        };
        let named = |id: &str, is_on| (id.to_owned(), is_on);
        let public_url = ("PUBLIC_URL", "https://app.example");
        assert_eq!(issuer(Development, &[]), named("localhost", true));
        assert_eq!(
            issuer(Development, &[public_url]),
            named("app.example", true)
        );
        assert_eq!(
            issuer(Production, &[public_url]),
            named("app.example", true)
        );
        assert_eq!(issuer(Production, &[]), named("handstamp", false));
        let address = ("PUBLIC_URL", "http://127.0.0.1:5000");
        assert_eq!(issuer(Development, &[address]), named("localhost", true));
        assert_eq!(issuer(Production, &[address]), named("handstamp", false));
        // Not that of a page, whichever comes first.
        let pages = ("RP_ORIGINS", "https://www.app.example,https://app.example");
        assert_eq!(
            issuer(Production, &[public_url, pages]),
            named("app.example", true)
        );
        assert!(read(Production, &[pages]).is_err());
        let wider = [("RP_ID", "example"), ("RP_ORIGINS", "https://app.example")];
        assert_eq!(issuer(Production, &wider), named("example", true));
    }

    #[test]
    fn origins_of_another_domain_are_a_mistake() {
        let read = |variables: &[(&str, &str)]| read(Environment::Development, variables);
        let evil = [
            ("RP_ID", "app.example"),
            ("RP_ORIGINS", "https://evil.example"),
        ];
        assert!(
            read(&evil)
                .unwrap_err()
                .to_string()
                .starts_with("RP_ORIGINS: ")
        );
        let alone = [("RP_ID", "app.example")];
        assert!(read(&alone).unwrap_err().to_string().starts_with("RP_ID: "));
        let path = [("RP_ORIGINS", "https://app.example/path")];
        assert!(read(&path).is_err());
    }
}
