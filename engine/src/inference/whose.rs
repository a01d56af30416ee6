//! Whose results a query may know: those of everybody who may read the books of the lake, or the user's own.
//!
//! That a result is known tells that somebody had it computed, and of which sequence. So whoever may not read
//! `system.inference_results` finds what they had computed themselves and nothing else, in memory as in the table. It goes
//! with the plan to other nodes.

use datafusion::common::extensions_options;
use datafusion::config::ConfigExtension;
use datafusion::execution::SessionState;
use datafusion::prelude::SessionConfig;
use datafusion_distributed::DistributedExt as _;
use sha2::{Digest as _, Sha256};
use udfs::antibody::hash::hex;

use super::stored::TABLE;
use crate::catalog::SCHEMAS;
use crate::policy::Deed;
use crate::session::Caller;

extensions_options! {
    /// Whose results the calls of models in a query know, and are kept for.
    pub struct Whose {
        /// `everybody`, or a hash of the user's name; nobody's without.
        pub scope: String, default = String::new()
    }
}

impl ConfigExtension for Whose {
    const PREFIX: &'static str = "paratope_results";
}

impl Whose {
    /// Those that `caller` may know.
    pub fn of(caller: &Caller) -> Self {
        let reads = caller.grants.check(Deed::Read, SCHEMAS[1], TABLE);
        let scope = match reads {
            Ok(()) => "everybody".into(),
            Err(_) => hex(&Sha256::digest(&caller.user)),
        };
        Self { scope }
    }

    /// Has the queries of a session know these.
    pub fn apply(self, state: &mut SessionState) {
        state.set_distributed_option_extension(self);
    }

    /// Those of a session or task.
    pub fn scope(config: &SessionConfig) -> &str {
        let whose = config.options().extensions.get::<Self>();
        whose.map_or("", |whose| &whose.scope)
    }
}
