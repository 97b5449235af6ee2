"""Who writes messages: MJML and Jinja, from the files beside this one and those an operator puts over them."""
