//! Files in which activations are often kept and which are not read: what they are, and the one line
//! that makes of them what is.

use std::path::Path;

use crate::error::{Error, OpenError};

/// A kind of file.
struct OtherKind {
    /// Endings of its names, in lower case.
    endings: &'static [&'static str],
    name: &'static str,
    /// A command; `IN` stands for the file, and `OUT` for its name with another ending.
    command: &'static str,
}

const OTHER_KINDS: [OtherKind; 5] = [
    OtherKind {
        endings: &["pt", "pth", "bin", "ckpt"],
        name: "a pickle of PyTorch, which is a program and is not run here",
        command: "python -c \"import torch; from safetensors.torch import save_file; x = torch.load('IN', map_location='cpu', weights_only=True); save_file({'acts': x.contiguous()} if torch.is_tensor(x) else {k: v.contiguous() for k, v in x.items()}, 'OUT.safetensors')\"",
    },
    OtherKind {
        endings: &["pkl", "pickle"],
        name: "a pickle of Python, which is a program and is not run here",
        command: "python -c \"import numpy, pickle; numpy.save('OUT.npy', numpy.asarray(pickle.load(open('IN', 'rb'))))\"",
    },
    OtherKind {
        endings: &["npz"],
        name: "an archive of numpy's arrays",
        command: "python -c \"import numpy; from safetensors.numpy import save_file; save_file({k: numpy.ascontiguousarray(v) for k, v in numpy.load('IN').items()}, 'OUT.safetensors')\"",
    },
    OtherKind {
        endings: &["h5", "hdf5"],
        name: "an HDF5 file",
        command: "python -c \"import h5py, numpy; f = h5py.File('IN'); numpy.save('OUT.npy', f[list(f)[0]][:])\"",
    },
    OtherKind {
        endings: &["csv"],
        name: "a table of text",
        command: "python -c \"import numpy, pandas; numpy.save('OUT.npy', pandas.read_csv('IN').to_numpy('float32'))\"",
    },
];

/// The error for the file at `path`, where its ending is that of a known kind which is not read: it
/// names the kind, and has the command that converts it.
pub(crate) fn other_kind(path: &Path) -> Option<Error> {
    let ending = path.extension()?.to_str()?.to_lowercase();
    let kind = OTHER_KINDS.iter().find(|kind| kind.endings.contains(&ending.as_str()))?;
    let out = path.with_extension("");
    let command = kind.command.replace("IN", &path.display().to_string());
    let command = command.replace("OUT", &out.display().to_string());
    Some(
        OpenError::Options {
            path: path.to_owned(),
            problem: format!("this is {}", kind.name),
            remedy: format!("convert it once: {command}"),
        }
        .into(),
    )
}
