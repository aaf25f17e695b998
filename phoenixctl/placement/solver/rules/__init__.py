"""The hard rules between agents, each kept as tables that change with every move."""
