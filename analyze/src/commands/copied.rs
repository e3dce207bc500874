//! Files that are to be written in another form.

use anyhow::bail;
use v8mini_capture::content::Edits;
use v8mini_format::model::Problem;

use super::file::InputArgs;
use crate::image::{Image, Opened};

/// Opens a file that is to be written in another form. The edits are those by which a capture of it, if it is a core, would leave out what
/// holds no objects; the image does not have them yet.
///
/// # Errors
/// As opening, and if the file has features of a later version that a copy would break.
pub(super) fn open_to_copy(input: &InputArgs) -> anyhow::Result<(Image, Edits)> {
    let opened = input.open()?;
    let edits = match &opened {
        Opened::Capture(file) => {
            let unknown = file.header().features.read_only_compatible;
            if unknown != 0 {
                bail!(
                    "{} has features of a later version ({unknown:#x}) that a copy would break",
                    input.path.display()
                );
            }
            Edits::default()
        }
        Opened::Core(core) => core.edits.clone(),
    };
    let (mut image, integrity) = opened.into_image();
    if !integrity.complete {
        image.metadata.problems.push(Problem {
            stage: Problem::TRUNCATED.to_owned(),
            message: "the capture that this was made from is cut or damaged".to_owned(),
            ..Problem::default()
        });
    }
    Ok((image, edits))
}
