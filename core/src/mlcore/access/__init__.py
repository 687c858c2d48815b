"""Who may do what: identities, scopes, and how much each identity may ask for."""
