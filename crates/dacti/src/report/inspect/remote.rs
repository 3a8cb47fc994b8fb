//! The description of a file that a transport fetches.

use super::{ContainerMap, Inspection, is_other_format};
use crate::remote::{AsyncPackage, Gathered, Operation, Remote, run};
use crate::{Error, Limits};
use std::sync::Arc;

impl Inspection {
    /// Describes the file that a transport fetches: a package, or a daicon file of another format.
    ///
    /// # Errors
    /// `Container` if the file is not a daicon file; a wrong index; errors of the transport.
    pub async fn fetch(remote: Arc<dyn Remote>, limits: Limits) -> Result<Self, Error> {
        if !is_other_format(&remote.file().head) {
            let package = AsyncPackage::from_remote(remote, limits).await?;
            return package.run(&Arc::default(), Self::read).await;
        }
        let gathered = Gathered::new(remote);
        let operation: Arc<Operation> = Arc::default();
        let container = run(&gathered, &operation, || ContainerMap::read(&gathered)).await?;
        Ok(Self::of_container(&container))
    }
}
