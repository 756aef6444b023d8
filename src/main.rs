//! layerfit: AWS Lambda layers that fit and load. All of it is in the library; see `layerfit --help`.

fn main() -> layerfit::cli::Exit {
    layerfit::cli::run(std::env::args_os())
}
