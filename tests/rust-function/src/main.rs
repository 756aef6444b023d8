//! Answers an event with itself and what its headers said; fails where the event asks for it.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(answer)).await
}

async fn answer(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let (event, context) = event.into_parts();
    match event["do"].as_str() {
        Some("fail") => return Err("as it was asked to".into()),
        Some("panic") => panic!("as it was asked to"),
        _ => {}
    }
    eprintln!("the event is {event}");
    Ok(json!({
        "event": event,
        "request_id": context.request_id,
        "arn": context.invoked_function_arn,
        "traced": context.xray_trace_id.is_some(),
        "deadline": context.deadline > 0,
        "memory": context.env_config.memory,
        "name": context.env_config.function_name,
    }))
}
