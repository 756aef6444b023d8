//! layerfit: AWS Lambda layers that fit and load. All of it is in the library; see `layerfit --help`.

/// The allocator of the static program: musl's is slow where several threads allocate.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> layerfit::cli::Exit {
    layerfit::cli::run(std::env::args_os())
}
