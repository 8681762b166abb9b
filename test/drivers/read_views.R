# Reads every view of schema segmentation with RPostgreSQL: see read_views.js.
suppressPackageStartupMessages(library(RPostgreSQL))

kinds <- c(numeric = "number", integer = "number", character = "text", logical = "boolean", POSIXct = "time")
connection <- dbConnect(PostgreSQL(), host = Sys.getenv("PGHOST"), port = Sys.getenv("PGPORT"), user = Sys.getenv("PGUSER"),
                        password = Sys.getenv("PGPASSWORD"), dbname = Sys.getenv("PGDATABASE"))
for (view in commandArgs(trailingOnly = TRUE)) {
  rows <- dbGetQuery(connection, paste0("SELECT * FROM segmentation.", view))
  for (name in names(rows)) {
    values <- rows[[name]][!is.na(rows[[name]])]
    kind <- if (length(values) == 0) "none" else kinds[[class(values)[1]]]
    cat(view, name, kind, sprintf("%.10g", if (kind == "number") sum(values) else length(values)), "\n")
  }
}
invisible(dbDisconnect(connection))
