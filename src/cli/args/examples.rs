//! The end of each command's help: examples, and exit codes where they are of use to scripts.

pub(super) const LAYERFIT: &str = "\
Examples:
  layerfit plan /opt                                    # what would be packed
  layerfit pack /opt -o layers                          # write the layers
  layerfit check layers                                 # for CI
  layerfit invoke layers --code DIR --handler f.main    # run a function here

Exit codes:
  0  done, no errors found
  1  a check failed, or the content does not fit
  2  layerfit could not do its work";

pub(super) const ANALYZE: &str = "\
Examples:
  layerfit analyze /opt
  layerfit analyze /opt --runtime provided.al2 --format json

Exit codes: 0 no errors found; 1 errors found; 2 layerfit could not do its work.";

pub(super) const PLAN: &str = "\
Examples:
  layerfit plan /opt --strip all
  layerfit plan my-r.tar              # after: docker save my-r -o my-r.tar
  layerfit plan /opt --tree
  layerfit plan /opt --apply bundle,strip-all    # steps that the report lists

Exit codes: 0 the content fits, no errors found; 1 it does not fit, or there are
errors; 2 layerfit could not do its work.";

pub(super) const PACK: &str = "\
Examples:
  layerfit pack /opt -o layers
  layerfit pack /opt -o layers --bundle --lock layerfit.lock
  layerfit pack my-r.tar -o layers --bundle   # libraries of that image
  layerfit pack /opt -o layers --template template.yaml   # for AWS SAM

Exit codes: 0 the content fits, no errors found; 1 it does not fit (nothing is
written), or there are errors; 2 layerfit could not do its work.";

pub(super) const CHECK: &str = "\
Examples:
  layerfit check layers
  layerfit check low.zip high.zip
  layerfit check /opt --baseline layerfit.baseline.json --max-growth 2%

Exit codes: 0 passed; 1 failed; 2 layerfit could not do its work.";

pub(super) const INVOKE: &str = "\
Examples:
  layerfit invoke layers --code DIR --handler file.function --event event.json
  layerfit invoke layers --code DIR --handler app.handler --runtime python3.13
  layerfit invoke layers --code DIR --handler f.main --listen 127.0.0.1:9001
  layerfit invoke layers --code DIR --handler f.main --trace opened.log

Exit codes: 0 every event was answered; 1 the function failed, timed out or ran
out of memory; 2 layerfit could not do its work.";

pub(super) const INIT: &str = "\
Examples:
  layerfit init /opt
  layerfit init --bootstrap /opt";

pub(super) const WHY: &str = "\
Examples:
  layerfit why /opt                            # what nothing in the tree needs
  layerfit why Matrix /opt
  layerfit why libgfortran.so.5 /opt
  layerfit why --if-dropped pkg:mgcv,pkg:nlme /opt";

pub(super) const DIFF: &str = "\
Examples:
  layerfit diff layers /opt
  layerfit diff old/manifest.json layers
  layerfit diff layerfit.baseline.json layers   # sizes only
  layerfit diff low.zip,high.zip layers";

pub(super) const PUBLISH: &str = "\
Examples:
  layerfit publish layers --function my-function
  layerfit publish layers --prefix r- --s3-bucket my-bucket --dry-run

Exit codes: 0 published; 1 something in the layers prevents it; 2 layerfit or
the AWS CLI could not do its work.";

pub(super) const RUNTIME: &str = "\
Examples:
  layerfit runtime show provided.al2023
  layerfit runtime capture --sysroot image.tar my-image";

pub(super) const CAPTURE: &str = "\
Examples:
  layerfit runtime capture --sysroot image.tar my-image
  layerfit plan /opt --runtime my-image.toml";

pub(super) const SHOW: &str = "\
Examples:
  layerfit runtime show provided.al2023 > mine.toml";

pub(super) const RULES: &str = "\
Examples:
  layerfit rules
  layerfit rules D105";

pub(super) const CONFIG: &str = "\
Examples:
  layerfit config
  layerfit config --max-zipped 250MiB
  layerfit config --schema > layerfit.schema.json";

/// Where each shell looks for the user's completions, according to its manual.
pub(super) const COMPLETIONS: &str = "\
Examples:
  layerfit completions zsh > ~/.zfunc/_layerfit
  layerfit completions fish > ~/.config/fish/completions/layerfit.fish

Where each shell looks:
  bash        ~/.local/share/bash-completion/completions/layerfit
  zsh         _layerfit in a directory of fpath, before compinit runs
  fish        ~/.config/fish/completions/layerfit.fish
  elvish      ~/.config/elvish/lib/layerfit.elv; `use layerfit` in rc.elv
  powershell  the end of the file $PROFILE";

pub(super) const MAN: &str = "\
Examples:
  layerfit man ~/.local/share/man/man1
  layerfit man | man -l -";
