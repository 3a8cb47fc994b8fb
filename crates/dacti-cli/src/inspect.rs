//! tmp
use crate::outcome::{Failure, Outcome};
/// tmp
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}
impl Args {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        Ok(Outcome::Done)
    }
}
