# The handler hello.handler: a function of the event, whose value is the response.
handler <- function(event) {
    list(message = paste0("Hello ", event$name, ", from R ", getRversion()), sum = sum(unlist(event$numbers)))
}
