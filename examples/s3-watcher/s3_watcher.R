# The handler s3_watcher.handler: for each RDS file that is uploaded to the bucket NAME, it writes the average of the numbers in
# it to the bucket NAME-output, as a text file.

source("s3.R")

handler <- function(event) {
    averages <- lapply(event$Records, function(record) {
        bucket <- record$s3$bucket$name
        # In an event, keys are encoded as in the query of a URL.
        key <- URLdecode(gsub("+", " ", record$s3$object$key, fixed = TRUE))
        numbers <- unserialize(memDecompress(s3_get(bucket, key), "gzip"))
        average <- mean(numbers)
        message("the average of ", bucket, "/", key, " is ", average)
        output <- paste0(bucket, "-output")
        s3_put(output, sub("[.]rds$", ".txt", key), charToRaw(paste0("Average = ", average)))
        list(bucket = bucket, key = key, average = average)
    })
    list(averages = averages)
}
