"""Summaries of two films, from the articles "Barbie (film)" and "Oppenheimer (film)" of Wikipedia (CC BY-SA 4.0)."""

BARBIE = (
    "Barbie is a 2023 American fantasy comedy film directed by Greta Gerwig and written by Gerwig and Noah Baumbach. "
    "Based on the Barbie fashion dolls by Mattel, it is the first live-action Barbie film after numerous "
    "computer-animated direct-to-video and streaming television films. The film stars Margot Robbie as Barbie and Ryan "
    "Gosling as Ken, and follows the two on a journey of self-discovery following an existential crisis. The film also "
    "features an ensemble cast that includes America Ferrera, Kate McKinnon, Issa Rae, Rhea Perlman, and Will "
    "Ferrell..."
)

OPPENHEIMER = (
    "Oppenheimer is a 2023 biographical thriller film written and directed by Christopher Nolan. Based on the 2005 "
    "biography American Prometheus by Kai Bird and Martin J. Sherwin, the film chronicles the life of J. Robert "
    "Oppenheimer, a theoretical physicist who was pivotal in developing the first nuclear weapons as part of the "
    "Manhattan Project, and thereby ushering in the Atomic Age. Cillian Murphy stars as Oppenheimer, with Emily Blunt "
    'as Oppenheimer\'s wife Katherine "Kitty" Oppenheimer; Matt Damon as General Leslie Groves, director of the '
    "Manhattan Project; and Robert Downey Jr. as Lewis Strauss, a senior member of the United States Atomic Energy "
    "Commission. The ensemble supporting cast includes Florence Pugh, Josh Hartnett, Casey Affleck, Rami Malek, Gary "
    "Oldman and Kenneth Branagh..."
)

PANCAKES = (
    "Whisk two eggs with a cup of milk and a pinch of salt, then stir in the flour until the batter is smooth. Let it "
    "rest for half an hour. Melt a little butter in a hot pan, pour in a ladle of batter, and turn the pancake when "
    "its edges are brown. Serve warm with lemon juice and sugar."
)
