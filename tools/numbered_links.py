"""Sphinx extension: a link to a chapter bears the chapter's number, as the sidebar does.

`{doc}` writes the title alone. Words of one's own in such a link stay as they are.
"""

from docutils import nodes


def number_links(app, doctree, docname):
    numbers = {
        app.builder.get_relative_uri(docname, target): (section[""][0], app.env.titles[target].astext())
        for target, section in app.env.toc_secnumbers.items()
        if section.get("")
    }
    for reference in doctree.findall(nodes.reference):
        number, title = numbers.get(reference.get("refuri"), (None, None))
        for words in reference.findall(nodes.inline):
            if number is not None and "doc" in words["classes"] and words.astext() == title:
                words.insert(0, nodes.Text(f"{number}. "))


def setup(app):
    app.connect("doctree-resolved", number_links)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
