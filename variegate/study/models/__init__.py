"""Language models: small ones made from nothing, any one loaded, chat templates and tokens."""
