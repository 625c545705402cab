//! Which running server a command is for: options that several commands have.

use super::{
    CONFIG,
    address::Address,
    client::Client,
    exit::Failure,
    secure::{Secure, Trust},
};
use crate::{config::find_admin, token::Token};
use anyhow::anyhow;
use clap::Args;
use std::path::PathBuf;

#[derive(Clone, Debug, Args)]
pub(super) struct Target {
    /// The server's configuration file, which says where its admin API is.
    #[arg(long, value_name = "FILE", default_value = CONFIG, conflicts_with = "admin")]
    config: PathBuf,
    /// The admin API itself: `http://HOST:PORT`, `https://HOST:PORT`, `unix:PATH`, or the path of its socket.
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<Address>,
    /// The file with the token for it.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The file with the certificates of those who may have signed the server's, in PEM. Left out: with --config the very certificate in
    /// there, with --admin those that this machine trusts.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The file with the certificate to show, in PEM.
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// The file with its key, in PEM.
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
}

impl Target {
    /// A client of that server. Nothing is sent yet.
    pub(super) fn client(self) -> Result<Client, Failure> {
        let token = self.token_file.map(|path| Token::read(&path)).transpose();
        let token = token.map_err(|error| anyhow!("{error}"))?;
        let shows = self.cert.zip(self.key);
        let (address, token, own) = match self.admin {
            Some(address) => (address, token, None),
            None => {
                let plan = find_admin(&self.config)?;
                (Address::of(&plan.bind, plan.tls.is_some()), token.or(plan.token), plan.tls)
            }
        };
        let secure = match &address {
            Address::Https(authority) => {
                let trust = match (&self.ca, &own) {
                    (Some(path), _) => Trust::SignedBy(path),
                    (None, Some(tls)) => Trust::These(tls),
                    (None, None) => Trust::Machine,
                };
                Some(Secure::new(authority, trust, shows.as_ref().map(|(cert, key)| (&**cert, &**key)))?)
            }
            _ => None,
        };
        Ok(Client::new(address, secure, token))
    }
}
