# The handler hello.handler: it is called with the event, and its value is the response.
handler <- function(event) {
    list(message = paste0("Hello ", event$name, ", from R ", getRversion()), sum = sum(unlist(event$numbers)))
}
