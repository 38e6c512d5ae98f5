"""Every action of every pane in one list: what there is, how it is drawn, the page that finds one."""
