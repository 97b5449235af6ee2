"""Keys, domains and e-mail addresses: their one true form, and who has them."""
