"""aihwkit's tiles as synapse arrays; nothing else imports aihwkit."""
