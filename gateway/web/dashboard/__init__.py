"""The operator's pages: server-made, in two languages, without a foreign host or inline script.

One file a page, with its template beside it and its words in `words`. Every page is a list of
routes that `routes` puts on the admin listener behind one door (`door`): who may see it, from
where a change may come, and what no answer may go out without. Pages read the journal and the
flow; they change nothing but through `flow.desk.Desk.do`.
"""

from gateway.web.dashboard.link import LinkPage
from gateway.web.dashboard.routes import Dashboard
from gateway.web.dashboard.visit import Tools

__all__ = ["Dashboard", "LinkPage", "Tools"]
