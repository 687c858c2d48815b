"""Texts about films: two from the articles "Barbie (film)" and "Oppenheimer (film)" of Wikipedia (CC BY-SA 4.0)."""

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

TWIN_FILMS = {
    ("Deep Impact", "Armageddon"): (
        "A young astronomer finds a comet that will strike the Earth within a year. A crew of astronauts is sent to "
        "break it up with nuclear charges, while governments dig shelters and draw lots for those who may enter them.",
        "An asteroid as large as Texas is on its way to the Earth. A team of oil drillers is trained as astronauts in "
        "haste, to drill a hole into it and split it with a nuclear bomb before it is too late.",
    ),
    ("Antz", "A Bug's Life"): (
        "An anxious worker ant falls in love with the princess of his colony, changes places with a soldier, and ends "
        "up as the one who has to stop a general's plan to flood the nest and all the workers in it.",
        "A clumsy ant inventor sets out to find warriors who will protect his colony from greedy grasshoppers, and "
        "comes home with a troupe of circus bugs whom he takes for heroes.",
    ),
    ("The Dark Knight", "Mamma Mia!"): (
        "A masked vigilante, a police lieutenant and a district attorney try to end organised crime in their city, "
        "until a criminal with a painted face sets out to prove that anybody can be driven to cruelty.",
        "On the eve of her wedding on a Greek island, a young woman invites three men from her mother's past, for one "
        "of them must be her father. Everybody sings the songs of a Swedish pop group.",
    ),
}
