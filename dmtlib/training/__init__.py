"""Training as a list of phases, each of which can be killed, resumed and measured."""
