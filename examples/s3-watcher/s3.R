# S3 with httr and openssl: requests signed by AWS Signature Version 4, as
# https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html describes it.
#
# Region and credentials are those that Lambda gives a function for its role. AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL selects
# another server, as for AWS's own tools.

# Percent-encodes everything except letters, digits and -._~/.
encoded <- function(key) gsub("%2F", "/", URLencode(enc2utf8(key), reserved = TRUE), fixed = TRUE)

hex <- function(hash) paste(as.character(unclass(hash)), collapse = "")

s3_request <- function(method, bucket, key, body = raw()) {
    region <- Sys.getenv("AWS_REGION")
    endpoint <- Sys.getenv("AWS_ENDPOINT_URL_S3", Sys.getenv("AWS_ENDPOINT_URL"))
    if (!nzchar(endpoint)) endpoint <- paste0("https://s3.", region, ".amazonaws.com")
    endpoint <- sub("/$", "", endpoint)
    path <- paste0("/", bucket, "/", encoded(key))

    time <- format(Sys.time(), "%Y%m%dT%H%M%SZ", tz = "UTC")
    sha256 <- hex(openssl::sha256(body))
    headers <- c(host = sub("^https?://", "", endpoint), `x-amz-content-sha256` = sha256, `x-amz-date` = time)
    token <- Sys.getenv("AWS_SESSION_TOKEN")
    if (nzchar(token)) headers[["x-amz-security-token"]] <- token
    signed <- paste(names(headers), collapse = ";")
    canonical <- paste(c(method, path, "", paste0(names(headers), ":", headers), "", signed, sha256), collapse = "\n")

    day <- substr(time, 1L, 8L)
    scope <- paste(day, region, "s3", "aws4_request", sep = "/")
    to_sign <- paste("AWS4-HMAC-SHA256", time, scope, hex(openssl::sha256(charToRaw(canonical))), sep = "\n")
    signing <- charToRaw(paste0("AWS4", Sys.getenv("AWS_SECRET_ACCESS_KEY")))
    for (part in c(day, region, "s3", "aws4_request", to_sign))
        signing <- as.raw(openssl::sha256(charToRaw(part), key = signing))
    authorization <- paste0("AWS4-HMAC-SHA256 Credential=", Sys.getenv("AWS_ACCESS_KEY_ID"), "/", scope,
        ", SignedHeaders=", signed, ", Signature=", hex(signing))

    answer <- httr::VERB(method, paste0(endpoint, path), body = if (method == "PUT") body,
        httr::add_headers(.headers = c(headers[names(headers) != "host"], Authorization = authorization)))
    if (httr::status_code(answer) != 200L)
        stop("S3 answered ", method, " ", path, " with ", httr::status_code(answer), ": ",
            httr::content(answer, "text", encoding = "UTF-8"))
    answer
}

# Returns an object's bytes.
s3_get <- function(bucket, key) httr::content(s3_request("GET", bucket, key), "raw")

# Stores bytes as an object.
s3_put <- function(bucket, key, bytes) invisible(s3_request("PUT", bucket, key, bytes))
