"""What must hold before a party of a deployment runs: each check, its problem, and what mends it.

    for finding in preflight(ExaminedHome(home, DeploymentFolder(home))):
        print(finding.line())

`checks` has the table. A check that cannot be made since another failed says so; nothing is left out in silence.
Nothing is written, no row is read, and nobody is asked but the hub.
"""
