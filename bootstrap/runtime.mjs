// runtime.mjs: what Lambda's managed runtimes for Node.js do, for `layerfit invoke` where there is no image of such a runtime: it
// runs a function for one event after another, in one process. Nothing but Node.js itself is needed.
//
// The handler "file.function" (or "dir/file.function", "file.object.function") is loaded as a CommonJS or ES module and called
// with the event and the context; errors have the types and messages of AWS's own client (aws-lambda-ric). ES modules
// are also searched for in NODE_PATH, as Lambda does. Differences: log lines have no time, and a streamed response is
// sent when it is complete.

import fs from "node:fs";
import http from "node:http";
import Module, { createRequire } from "node:module";
import path from "node:path";
import { Writable } from "node:stream";
import { pathToFileURL } from "node:url";
import util from "node:util";

const require = createRequire(import.meta.url);
const major = Number(process.versions.node.split(".")[0]);

// --- the Runtime API ---------------------------------------------------------------------------------------------------

function request(method, target, body, headers = {}) {
  const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
  if (body !== undefined) headers = { ...headers, "Content-Length": Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    // A connection for each request: none is left open, which would keep the event loop from being empty.
    const options = { host, port, method, path: `/2018-06-01/runtime/${target}`, headers, agent: false };
    const sent = http.request(options, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("error", reject);
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(parts) }));
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

async function post(target, body, headers) {
  const { status, body: answer } = await request("POST", target, body, headers);
  if (status >= 300) process.stderr.write(`${target} failed with status ${status}: ${answer}\n`);
}

async function postError(target, error) {
  const body = response(error);
  const type = body.errorType.replace(/[^\x20-\x7e]/g, "?");
  await post(target, JSON.stringify(body), { "Content-Type": "application/json", "Lambda-Runtime-Function-Error-Type": type });
}

// --- errors and the log ------------------------------------------------------------------------------------------------

class Fault extends Error {
  constructor(type, message) {
    super(message);
    this.name = `Runtime.${type}`;
    // The stack began with another name.
    this.stack = this.stack.replace(/^Error/, this.name);
  }
}

function isError(value) {
  return util.types.isNativeError(value) || [value?.name, value?.message, value?.stack].every((part) => part && typeof part === "string");
}

/** The lines of an error's stack, up to the frames of this file. */
function stackOf(error) {
  const lines = String(error.stack).split("\n");
  const own = lines.findIndex((line) => line.includes(import.meta.url));
  return own > 0 ? lines.slice(0, own) : lines;
}

/** An error as Lambda returns it. */
function response(error) {
  if (!isError(error)) return { errorType: typeof error, errorMessage: String(error), trace: [] };
  return { errorType: String(error.name), errorMessage: String(error.message), trace: stackOf(error) };
}

function log(level) {
  return (message, ...more) => {
    const id = globalThis[Symbol.for("aws.lambda.runtime.requestId")];
    process.stdout.write(`${id}\t${level}\t${util.format(message, ...more)}\n`);
  };
}

for (const name of ["trace", "debug", "info", "warn", "error", "fatal"]) console[name] = log(name.toUpperCase());
console.log = console.info;

function logError(what, error) {
  console.error(`${what}: ${isError(error) ? stackOf(error).join("\n") : util.format(error)}`);
}

// --- the function ------------------------------------------------------------------------------------------------------

/** Makes `import` search NODE_PATH too, which Node.js itself does only for `require`. */
function searchNodePath() {
  // A package in DIR/node_modules is what a module in DIR would find.
  const places = (process.env.NODE_PATH ?? "").split(":").filter((place) => place.endsWith("/node_modules"));
  const parents = places.map((place) => pathToFileURL(path.join(path.dirname(place), "noop.mjs")).href);
  const resolve = (parents) => (specifier, context, next) => {
    const isBare = !/^[./#]|^[a-z]+:/i.test(specifier);
    const attempt = (at, error) => {
      if (error.code !== "ERR_MODULE_NOT_FOUND" || !isBare || at === parents.length) throw error;
      try {
        const found = next(specifier, { ...context, parentURL: parents[at] });
        return found instanceof Promise ? found.catch(() => attempt(at + 1, error)) : found;
      } catch {
        return attempt(at + 1, error);
      }
    };
    try {
      const found = next(specifier, context);
      return found instanceof Promise ? found.catch((error) => attempt(0, error)) : found;
    } catch (error) {
      return attempt(0, error);
    }
  };
  if (Module.registerHooks) {
    Module.registerHooks({ resolve: resolve(parents) });
  } else if (Module.register) {
    // Hooks of this kind are a module of their own, on another thread.
    const source = `export const resolve = (${resolve})(${JSON.stringify(parents)});`;
    Module.register(`data:text/javascript,${encodeURIComponent(source)}`);
  }
}

function isModulePackage(directory) {
  if (directory.endsWith("/node_modules")) return false;
  const file = path.join(directory, "package.json");
  if (fs.existsSync(file)) {
    try {
      return JSON.parse(fs.readFileSync(file, "utf8"))?.type === "module";
    } catch (error) {
      console.warn(`${file} cannot be read, it will be ignored for ES module detection purposes.`, error);
      return false;
    }
  }
  return directory !== "/" && isModulePackage(path.dirname(directory));
}

async function loadModule(root, directory, name) {
  const place = path.resolve(root, directory, name);
  const is = (suffix) => fs.existsSync(place + suffix);
  if (is("") && !fs.statSync(place).isDirectory()) return require(place);
  if (is(".js")) return isModulePackage(path.dirname(place)) ? import(pathToFileURL(`${place}.js`)) : require(`${place}.js`);
  if (is(".mjs")) return import(pathToFileURL(`${place}.mjs`));
  if (is(".cjs")) return require(`${place}.cjs`);
  return require(require.resolve(name, { paths: [root, path.resolve(root, directory)] }));
}

const STREAMING = Symbol.for("aws.lambda.runtime.handler.streaming");

globalThis.awslambda = {
  streamifyResponse: (handler) => Object.assign(handler, { [STREAMING]: "response" }),
  HttpResponseStream: {
    from(stream, prelude) {
      stream.setContentType("application/vnd.awslambda.http-integration-response");
      stream.write(JSON.stringify(prelude));
      stream.write(new Uint8Array(8));
      return stream;
    },
  },
};

async function loadHandler(root, name) {
  if (name.includes("..")) {
    throw new Fault("MalformedHandlerName", `'${name}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`);
  }
  const base = path.basename(name);
  const parts = /^([^.]*)\.(.*)$/.exec(base);
  if (!parts) throw new Fault("MalformedHandlerName", "Bad handler");
  let loaded;
  try {
    loaded = await loadModule(root, name.slice(0, name.length - base.length), parts[1]);
  } catch (error) {
    if (error instanceof SyntaxError) {
      logError("The module cannot be parsed", error);
      throw new Fault("UserCodeSyntaxError", String(error));
    }
    if (error?.code === "MODULE_NOT_FOUND") throw new Fault("ImportModuleError", String(error));
    throw error;
  }
  const handler = parts[2].split(".").reduce((value, key) => value?.[key], loaded);
  if (!handler) throw new Fault("HandlerNotFound", `${name} is undefined or not exported`);
  if (typeof handler !== "function") throw new Fault("HandlerNotFound", `${name} is not a function`);
  if (major >= 24 && handler.length > 2 && !handler[STREAMING]) {
    throw new Fault(
      "CallbackHandlerDeprecated",
      "AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. You need to modify this function to use a supported handler signature.",
    );
  }
  return handler;
}

function contextOf(headers) {
  const header = (name) => headers[`lambda-runtime-${name}`];
  const parsed = (name) => (header(name) === undefined ? undefined : JSON.parse(header(name)));
  const trace = header("trace-id");
  if (trace) process.env._X_AMZN_TRACE_ID = trace;
  else delete process.env._X_AMZN_TRACE_ID;
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: parsed("client-context"),
    identity: parsed("cognito-identity"),
    invokedFunctionArn: header("invoked-function-arn"),
    awsRequestId: header("aws-request-id"),
    tenantId: header("aws-tenant-id"),
    getRemainingTimeInMillis: () => header("deadline-ms") - Date.now(),
  };
}

/** What happens when nothing is left to wait for, but for the handler. */
let whenIdle = () => {};
process.on("beforeExit", () => whenIdle());

/** The value that a handler returns, as Lambda waits for it. */
function valueOf(handler, event, context) {
  if (major >= 24) {
    return new Promise((resolve, reject) => {
      whenIdle = () => resolve(undefined);
      Promise.resolve(handler(event, context)).then(resolve, reject);
    });
  }
  return new Promise((resolve, reject) => {
    const failed = (error) => reject(error ?? "handled");
    const done = (error, value) => (error === undefined || error === null ? resolve(value) : reject(error));
    const callback = (error, value) => {
      if (error !== undefined && error !== null) reject(error);
      else if (!context.callbackWaitsForEmptyEventLoop) resolve(value);
      else whenIdle = () => resolve(value);
    };
    // A handler that never answers has answered null.
    whenIdle = () => resolve(null);
    Object.assign(context, { succeed: resolve, fail: failed, done });
    const value = handler(event, context, callback);
    if (typeof value?.then === "function") value.then(resolve, failed);
  });
}

/** What a handler writes to its stream, and the type of that. */
async function streamed(handler, event, context) {
  const parts = [];
  let type = "application/octet-stream";
  const stream = new Writable({
    decodeStrings: false,
    objectMode: true,
    write(part, encoding, next) {
      const isBytes = typeof part === "string" || part instanceof Uint8Array;
      parts.push(isBytes ? Buffer.from(part, typeof part === "string" ? encoding : undefined) : Buffer.from(JSON.stringify(part)));
      next();
    },
  });
  stream.setContentType = (value) => {
    type = value;
  };
  const value = handler(event, stream, context);
  if (typeof value?.then !== "function") throw "Streaming does not support non-async handlers.";
  whenIdle = () => stream.destroy(new Error("Response stream is not finished."));
  await value;
  if (!stream.writableFinished) {
    await new Promise((resolve, reject) => {
      stream.on("finish", resolve);
      stream.on("error", reject);
      if (!stream.writableEnded) setImmediate(() => reject(new Error("Response stream is not finished.")));
    });
  }
  return [Buffer.concat(parts), type];
}

async function answered(handler, event, context) {
  if (handler[STREAMING]) return streamed(handler, event, context);
  const value = await valueOf(handler, event, context);
  try {
    return [JSON.stringify(value === undefined ? null : value) ?? "null", "application/json"];
  } catch {
    throw new Error("Unable to stringify response body");
  }
}

/** Where an error goes that no code catches. */
let target = "init/error";

function uncaught(what, status) {
  return async (error) => {
    logError(what, error);
    await postError(target, error);
    process.exit(status);
  };
}

process.on("uncaughtException", uncaught("Uncaught Exception", 129));
process.on("unhandledRejection", (reason) => {
  const error = new Fault("UnhandledPromiseRejection", String(reason));
  uncaught("Unhandled Promise Rejection", 128)(Object.assign(error, { reason }));
});

function checkVersion() {
  const wanted = /^AWS_Lambda_nodejs(\d+)\.x$/.exec(process.env.AWS_EXECUTION_ENV ?? "");
  if (wanted && Number(wanted[1]) !== major) {
    throw new Fault("ImportModuleError", `${process.execPath} is Node.js ${major}, and the runtime is nodejs${wanted[1]}.x`);
  }
}

async function main() {
  let handler;
  try {
    checkVersion();
    searchNodePath();
    handler = await loadHandler(process.env.LAMBDA_TASK_ROOT, process.env._HANDLER);
  } catch (error) {
    await uncaught("Uncaught Exception", 129)(error);
  }
  for (;;) {
    const { status, headers, body } = await request("GET", "invocation/next");
    if (status !== 200) throw new Error(`cannot get the next event: status ${status}`);
    const id = headers["lambda-runtime-aws-request-id"];
    globalThis[Symbol.for("aws.lambda.runtime.requestId")] = id;
    target = `invocation/${id}/error`;
    try {
      const [result, type] = await answered(handler, JSON.parse(body), contextOf(headers));
      whenIdle = () => {};
      await post(`invocation/${id}/response`, result, { "Content-Type": type });
    } catch (error) {
      whenIdle = () => {};
      logError("Invoke Error", error);
      await postError(target, error);
    }
  }
}

main();
