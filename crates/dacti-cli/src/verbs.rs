//! The verbs of the program, one module each. Only the code of `unpack` that writes files is also
//! used by other verbs: `get` and `dar`.

mod apply;
mod cdn_check;
mod compact;
mod completions;
mod dar;
mod diff;
mod du;
mod gc;
mod get;
mod inspect;
mod key;
mod log;
mod ls;
mod man;
mod pack;
mod plan;
mod publish;
mod pull;
mod put;
mod rm;
mod serve;
mod sign;
mod site;
mod sync;
mod tag;
mod unpack;
mod verify;

use crate::Talk;
use crate::outcome::{Failure, Outcome};
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Pack(pack::Args),
    Ls(ls::Args),
    Get(get::Args),
    Unpack(unpack::Args),
    Inspect(inspect::Args),
    Verify(verify::Args),
    Put(put::Args),
    Rm(rm::Args),
    Sync(sync::Args),
    Publish(publish::Args),
    Pull(pull::Args),
    Tag(tag::Args),
    Log(log::Args),
    Gc(gc::Args),
    CdnCheck(cdn_check::Args),
    Plan(plan::Args),
    Apply(apply::Args),
    Key(key::Args),
    Sign(sign::Args),
    Du(du::Args),
    Diff(diff::Args),
    Serve(serve::Args),
    Site(site::Args),
    Compact(compact::Args),
    Dar(dar::Args),
    Completions(completions::Args),
    Man(man::Args),
}

impl Verb {
    /// Runs the verb.
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        match self {
            Self::Pack(args) => args.run(talk),
            Self::Ls(args) => args.run(talk),
            Self::Get(args) => args.run(talk),
            Self::Unpack(args) => args.run(talk),
            Self::Inspect(args) => args.run(talk),
            Self::Verify(args) => args.run(talk),
            Self::Put(args) => args.run(talk),
            Self::Rm(args) => args.run(talk),
            Self::Sync(args) => args.run(talk),
            Self::Publish(args) => args.run(talk),
            Self::Pull(args) => args.run(talk),
            Self::Tag(args) => args.run(talk),
            Self::Log(args) => args.run(talk),
            Self::Gc(args) => args.run(talk),
            Self::CdnCheck(args) => args.run(talk),
            Self::Plan(args) => args.run(),
            Self::Apply(args) => args.run(talk),
            Self::Key(args) => args.run(talk),
            Self::Sign(args) => args.run(talk),
            Self::Du(args) => args.run(talk),
            Self::Diff(args) => args.run(talk),
            Self::Serve(args) => args.run(talk),
            Self::Site(args) => args.run(talk),
            Self::Compact(args) => args.run(talk),
            Self::Dar(args) => args.run(talk),
            Self::Completions(args) => args.run(),
            Self::Man(args) => args.run(talk),
        }
    }
}
