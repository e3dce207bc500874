//! The server: the protocol is the crate's, the answers are the commands'.

use std::fmt::Write;
use std::sync::Arc;

use anyhow::Context;
use clap::CommandFactory;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData,
    Implementation, JsonObject, ListToolsResult, PaginatedRequestParams, ServerCapabilities,
    ServerConfig, Tool as ToolDescription, ToolAnnotations,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::{ServerHandler, ServiceExt};

use super::page;
use super::tool::{TOOLS, Tool};
use crate::commands::Cli;
use crate::commands::output::{Outcome, Output};
use crate::commands::session::Session;

const INSTRUCTIONS: &str = "Answers about the captured V8 heap of one Node.js process. Begin with `info`, then `suspects` for a leak, \
    `histogram` for what fills the heap, `bt` for where the program was. Objects have addresses such as 0x2a1f03c81b49: `inspect` \
    shows what one holds, `path` what keeps it alive, `refs` who refers to it. Answers come in parts: ask again with `page`. \
    All of it is read only.";

/// What answers.
struct Server {
    session: Arc<Session>,
    files: Arc<[String]>,
    commands: clap::Command,
}

/// Serves until the client closes the connection.
pub(super) fn serve(session: Arc<Session>, files: Vec<String>) -> anyhow::Result<()> {
    let mut commands = Cli::command();
    commands.build();
    let server = Server {
        session,
        files: files.into(),
        commands,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let running = server
            .serve(rmcp::transport::stdio())
            .await
            .context("the client did not begin as the Model Context Protocol has it")?;
        running.waiting().await?;
        Ok(())
    })
}

impl Server {
    /// The tools that can be used: to compare, there must be another capture.
    fn tools(&self) -> impl Iterator<Item = (&'static Tool, &clap::Command)> {
        TOOLS
            .iter()
            .filter(|tool| tool.later != Some(true) || self.files.len() > 1)
            .filter_map(|tool| Some((tool, self.commands.find_subcommand(tool.command)?)))
    }
}

/// Asks a command, and says what comes of it.
fn answer(
    session: &Session,
    files: &[String],
    tool: &Tool,
    line: &[String],
    number: usize,
) -> CallToolResult {
    let mut output = Output::buffer();
    let result = Cli::answer(session, line, &mut output);
    let text = without_shell(output.into_text().plain(), files);
    let error = |text: String| CallToolResult::error(vec![ContentBlock::text(text)]);
    let outcome = match result {
        Ok(outcome) => outcome,
        Err(failure) => {
            return error(match failure.downcast::<clap::Error>() {
                Ok(failure) => failure.to_string(),
                Err(failure) => format!("error: {failure:#}"),
            });
        }
    };
    let Some(part) = page::part(&text, number) else {
        return error(format!("error: the answer has no page {number}"));
    };
    let mut answer = part.text.trim_end().to_owned();
    // Writing to a String cannot fail.
    if outcome == Outcome::NothingFound {
        answer.push_str("\nNothing was found.");
    }
    if outcome == Outcome::Incomplete {
        answer.push_str("\nThe capture is incomplete, and so is this answer.");
    }
    if number < part.parts {
        let _ = write!(
            answer,
            "\n\nPart {number} of {}: call again with page {}.",
            part.parts,
            number + 1
        );
    }
    let _ = write!(answer, "\n\nNext: {}.", tool.next);
    CallToolResult::success(vec![ContentBlock::text(
        answer.trim_start_matches('\n').to_owned(),
    )])
}

/// An answer in which what to ask next is no command line of a shell, which the client may not have.
fn without_shell(mut text: String, files: &[String]) -> String {
    for file in files {
        for Tool { command, .. } in TOOLS {
            text = text.replace(&format!("v8mini {command} {file} "), &format!("{command} "));
        }
    }
    text
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("v8mini", env!("CARGO_PKG_VERSION")))
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tools = self
            .tools()
            .map(|(tool, command)| {
                let schema: JsonObject = Tool::input_schema(command);
                let annotations = ToolAnnotations::from_raw(
                    None,
                    Some(true),
                    Some(false),
                    Some(true),
                    Some(false),
                );
                ToolDescription::new(tool.command, Tool::description(command), schema)
                    .with_annotations(annotations)
            })
            .collect();
        Ok(ListToolsResult::with_all_items(tools))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some((tool, command)) = self.tools().find(|(tool, _)| tool.command == request.name)
        else {
            let known: Vec<&str> = self.tools().map(|(tool, _)| tool.command).collect();
            return Err(ErrorData::invalid_params(
                format!(
                    "there is no tool '{}'; there are {}",
                    request.name,
                    known.join(", ")
                ),
                None,
            ));
        };
        let given = request.arguments.unwrap_or_default();
        let (line, number) = match tool.command_line(command, given, &self.files) {
            Ok(line) => line,
            Err(error) => {
                let text = ContentBlock::text(format!("error: {error:#}"));
                return Ok(CallToolResult::error(vec![text]).into());
            }
        };
        let session = Arc::clone(&self.session);
        let files = Arc::clone(&self.files);
        // On another thread, so that the connection is served meanwhile.
        let answered =
            tokio::task::spawn_blocking(move || answer(&session, &files, tool, &line, number))
                .await;
        answered.map(Into::into).map_err(|error| {
            ErrorData::internal_error(format!("the command failed: {error}"), None)
        })
    }
}
