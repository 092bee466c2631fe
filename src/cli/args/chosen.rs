//! `--table` and `--integration`, as every verb has them that can be limited to some of the lake.

/// Limits a verb to some tables and integrations.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ChosenArgs {
    /// Only these tables: a name such as ats_applications, a pattern such as 'ats_*', or all; repeat it or use commas
    #[arg(short, long = "table", value_name = "TABLE", value_delimiter = ',')]
    pub tables: Vec<String>,
    /// Only these integration ids; repeat it or use commas
    #[arg(short, long = "integration", value_name = "ID", value_delimiter = ',')]
    pub integrations: Vec<String>,
}
