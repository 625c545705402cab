//! `socklet dev`: builds and serves the plugin of a project, and again whenever something of it is saved.
//!
//! What was saved is built beside the server; when that went well, the server reloads, and connections go on with the new version.
//! Where a build fails, what was built before goes on. Another configuration is another server.

mod configuration;
mod page;
mod watch;

use super::{
    announce, build, compile,
    exit::Failure,
    out,
    signals::{Asked, Signals},
};
use crate::{Running, logs::Logs};
use anyhow::{Context, anyhow};
use clap::Args;
use page::Page;
use socklet_author::Project;
use std::{path::PathBuf, time::Instant};
use watch::{Changed, Watch};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The project's folder.
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// The address: an IP address with a port, `:PORT`, or `unix:PATH`. Left out: as socklet.toml has it, or 127.0.0.1:8080.
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
}

/// What goes on next.
enum Next {
    /// A server as the configuration has it now.
    Serve,
    Stop,
}

/// Builds and serves until a signal.
pub(super) async fn dev(arguments: Arguments) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let mut watch = Watch::new(arguments.folder.clone());
    let mut logs = None;
    loop {
        let next = match serve(&arguments, &mut watch, &mut signals, &mut logs).await {
            Ok(next) => next,
            Err(error) => {
                out::complain(&format!("socklet dev: {error:#}"));
                out::complain("socklet dev: waiting for something to be saved");
                tokio::select! {
                    _ = watch.changed() => Next::Serve,
                    () = signals.stop() => Next::Stop,
                }
            }
        };
        if let Next::Stop = next {
            return Ok(());
        }
    }
}

/// Builds, serves, and builds again, until the configuration changes or a signal comes. An error is something to mend.
async fn serve(
    arguments: &Arguments,
    watch: &mut Watch,
    signals: &mut Signals,
    logs: &mut Option<Logs>,
) -> anyhow::Result<Next> {
    let project = Project::read(&arguments.folder).map_err(|error| anyhow!("{error}"))?;
    watch.seen();
    let mut digest = make(&project).await?;
    let page = Page::write().context("failed to write the page")?;
    let config = configuration::read(&project, page.folder(), arguments.listen.as_deref())?;
    let config = compile::by_child(config).map_err(said)?;
    logs.get_or_insert_with(|| Logs::start(&config.log));
    let app = config.build().await.map_err(|error| anyhow!("{error}"))?;
    page.say(&project, &app).context("failed to write the page")?;
    let (addresses, url) = (announce::addresses(&app), page::url(&app));
    let running = app.start();
    out::print(&addresses);
    if let Some(url) = url {
        out::print(&format!("  try it: {url}"));
    }
    loop {
        let changed = tokio::select! {
            changed = watch.changed() => changed,
            asked = signals.next() => match asked {
                Asked::Reload => Changed::Source,
                Asked::Stop => {
                    running.drain().await;
                    return Ok(Next::Stop);
                }
            },
        };
        match changed {
            Changed::Configuration => {
                out::print("the configuration has changed: serving anew");
                running.drain().await;
                return Ok(Next::Serve);
            }
            Changed::Source => {
                watch.seen();
                if let Err(error) = again(&project, &running, &mut digest).await {
                    out::complain(&format!("socklet dev: {error:#}"));
                    out::complain("socklet dev: what was built before goes on");
                }
            }
        }
    }
}

/// Builds, and has connections go on with what was built. `digest` is that of what they have.
async fn again(project: &Project, running: &Running, digest: &mut String) -> anyhow::Result<()> {
    let started = Instant::now();
    let new = make(project).await?;
    if new == *digest {
        out::print("built, and nothing is otherwise");
        return Ok(());
    }
    running.reload().await.map_err(|error| anyhow!("{error}"))?;
    *digest = new;
    let (seconds, connections) = (started.elapsed().as_secs_f64(), running.connections());
    let go_on = match connections {
        0 => "new connections get it".to_owned(),
        1 => "the open connection goes on with it".to_owned(),
        _ => format!("the {connections} open connections go on with it"),
    };
    out::print(&format!("built and swapped in {seconds:.1} s: {go_on}"));
    Ok(())
}

/// Builds; the digest of what was built.
async fn make(project: &Project) -> anyhow::Result<String> {
    let project = project.clone();
    let built = tokio::task::spawn_blocking(move || build::component(&project)).await.context("the build panicked")?;
    Ok(built?.1)
}

/// What a command would end with, as an error.
fn said(failure: Failure) -> anyhow::Error {
    match failure {
        Failure::Configuration(error) => error.into(),
        Failure::Failed(error) => error,
        Failure::Told | Failure::FailedAndTold => anyhow!("the configuration is bad"),
    }
}
