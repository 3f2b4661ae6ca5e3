"""Sphinx extension: the links that need the book's public address appear once `_config.yml` has it, and not before."""


def add_links(app, config):
    options = config.html_theme_options
    if options.get("repository_url"):
        options["launch_buttons"] = {"colab_url": "https://colab.research.google.com"}
        options["use_repository_button"] = True
        options["use_issues_button"] = True


def setup(app):
    app.connect("config-inited", add_links, priority=1)
    return {"parallel_read_safe": True}
