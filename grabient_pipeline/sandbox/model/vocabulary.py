"""The words that the simulated models know, by region of colour.

A region is a family of hues, brown, or one of the neutrals. Its things are listed by tone (dark, mid, light), so
that a search over the answers finds night skies among dark blues and ice among light ones.

This is data rather than code, and longer than other modules for that reason. It stays in Python because regions,
scenes and seasons are typed records with conditions, which a data file would need a reader and a schema for.
"""

from dataclasses import dataclass
from typing import Final


def _list(words: str) -> tuple[str, ...]:
    return tuple(" ".join(word.split()) for word in words.split(","))


@dataclass(frozen=True, slots=True)
class Region:
    """The words of one family of colours."""

    dark: tuple[str, ...]
    mid: tuple[str, ...]
    light: tuple[str, ...]
    mood: tuple[str, ...]
    style: tuple[str, ...]


# The hue families by OkLCh hue: a family reaches from its angle up to the next one's.
HUE_FAMILIES: Final = (
    (0.0, "rose"),
    (12.0, "red"),
    (45.0, "orange"),
    (85.0, "yellow"),
    (114.0, "lime"),
    (131.0, "green"),
    (168.0, "teal"),
    (212.0, "blue"),
    (282.0, "violet"),
    (314.0, "magenta"),
    (343.0, "rose"),
)

REGIONS: Final[dict[str, Region]] = {
    "rose": Region(
        dark=_list(
            """
            wine stain, black cherry, beetroot, velvet curtain, mulberry, dried rose, dark berry, boudoir,
            raspberry jam, garnet, opera house, plum pudding
            """
        ),
        mid=_list(
            """
            rose petal, raspberry, lipstick, watermelon, dragon fruit, hibiscus, carnation, tulip field,
            sorbet, silk ribbon, camellia, rhubarb, pink grapefruit, neon sign
            """
        ),
        light=_list(
            """
            cherry blossom, cotton candy, peony, seashell, ballet slipper, strawberry milk, blush wine,
            magnolia, marshmallow, rose quartz, flamingo, apple blossom, bubble gum, macaron
            """
        ),
        mood=_list(
            """
            tender, romantic, affectionate, playful, flirtatious, sweet, delicate, sensual, loving, charming
            """
        ),
        style=_list(
            """
            rococo, kawaii, coquette, pop art, art nouveau, cosmetic industry, bridal, balletcore, parisian,
            romanticism
            """
        ),
    ),
    "red": Region(
        dark=_list(
            """
            merlot, mahogany, oxblood, brick wall, dried blood, black currant, red oak, cellar, leather
            chair, pomegranate, rust, theater seat, persian rug, cayenne
            """
        ),
        mid=_list(
            """
            poppy, cherry, ruby, ember, fire engine, chili pepper, tomato, lava, strawberry, lacquer, stop
            sign, paprika, maple leaf, barn, matador cape, bonfire
            """
        ),
        light=_list(
            """
            coral reef, salmon, terracotta dust, shrimp, watermelon flesh, sunburn, pink clay, guava, rouge,
            hibiscus tea, lobster, begonia
            """
        ),
        mood=_list(
            """
            passionate, bold, fiery, intense, dramatic, urgent, powerful, daring, fierce, ardent, courageous
            """
        ),
        style=_list(
            """
            baroque, constructivism, spanish, chinese, bauhaus, motorsport, expressionism, flamenco, gothic
            revival, soviet poster, streetwear
            """
        ),
    ),
    "orange": Region(
        dark=_list(
            """
            burnt sienna, cinnamon stick, rust, copper pot, amber, canyon, fox fur, clay oven, old brick,
            molasses, tobacco, paprika, red desert, saddle
            """
        ),
        mid=_list(
            """
            pumpkin, tangerine, marigold, fallen leaf, terracotta, apricot, campfire, carrot, clementine,
            lava, monarch butterfly, turmeric, persimmon, desert dune, sunset, clown fish, kumquat
            """
        ),
        light=_list(
            """
            peach, cantaloupe, sandstone, papaya, honeycomb, apricot jam, nectarine, shell, biscuit, salmon
            roe, salt lamp, mango sorbet, dune, sea bream
            """
        ),
        mood=_list(
            """
            cozy, energetic, cheerful, inviting, adventurous, nostalgic, lively, spirited, earthy, hearty,
            enthusiastic
            """
        ),
        style=_list(
            """
            seventies, southwestern, moroccan, bohemian, mid-century, dutch, folk art, autumnal, indian,
            desert modern, retro, surf
            """
        ),
    ),
    "yellow": Region(
        dark=_list(
            """
            brass, old gold, mustard seed, olive oil, dry grass, whiskey, antique frame, dijon, bronze coin,
            savanna, ochre pigment, burlap
            """
        ),
        mid=_list(
            """
            sunflower, lemon, honey, banana, canary, school bus, dandelion, gold leaf, corn, bee, saffron,
            mango, daffodil, taxi, mimosa, wheat field
            """
        ),
        light=_list(
            """
            butter, vanilla, cream, pale straw, chamomile, custard, lemonade, morning sun, parchment,
            champagne, primrose, popcorn, sand, elderflower
            """
        ),
        mood=_list(
            """
            joyful, optimistic, sunny, happy, hopeful, radiant, carefree, uplifting, curious, buoyant,
            golden, jubilant
            """
        ),
        style=_list(
            """
            art deco, provencal, byzantine, tropical, scandinavian, pop art, california, egyptian, memphis,
            farmhouse, byzantine mosaic
            """
        ),
    ),
    "lime": Region(
        dark=_list(
            """
            olive grove, army jacket, pickle, moss bank, swamp, bay leaf, laurel, seaweed, guacamole,
            lichen, caper, artichoke
            """
        ),
        mid=_list(
            """
            lime, pear, kiwi, avocado, new leaf, grasshopper, tennis ball, fern frond, green apple, bamboo,
            iguana, pea pod, lawn, sprout
            """
        ),
        light=_list(
            """
            celery, matcha latte, pistachio, honeydew, cabbage, green grape, lime sorbet, young shoot,
            melon, cucumber, asparagus, linden blossom
            """
        ),
        mood=_list("zesty, fresh, youthful, quirky, tangy, invigorating, lively, sprightly, crisp, healthy"),
        style=_list(
            """
            biophilic, organic food, psychedelic, seventies, eco design, athleisure, y2k, military, tiki,
            acid graphics
            """
        ),
    ),
    "green": Region(
        dark=_list(
            """
            forest, pine needle, emerald, spruce, ivy, jungle, moss, billiard table, rainforest, cypress,
            malachite, wine bottle, cedar, holly, fir tree, hunter coat
            """
        ),
        mid=_list(
            """
            fern, meadow, clover, shamrock, basil, jade, grass, parakeet, palm leaf, spinach, frog, ivy
            wall, golf course, cactus, parsley, leaf
            """
        ),
        light=_list(
            """
            mint, sage, aloe, spring leaf, celadon, pistachio, cucumber, mint ice, sea glass, dew,
            eucalyptus, honeydew, tea leaf, lily pad
            """
        ),
        mood=_list(
            """
            refreshing, natural, balanced, restful, grounded, hopeful, growing, serene, lush, restorative,
            harmonious
            """
        ),
        style=_list(
            """
            botanical, craft revival, irish, celtic, cottagecore, eco design, safari, biophilic, english
            garden, art nouveau, celadon ceramic, scandinavian
            """
        ),
    ),
    "teal": Region(
        dark=_list(
            """
            deep lagoon, peacock feather, petrol, pine lake, kelp forest, mermaid tail, submarine, wet
            slate, fjord, verdigris, oil slick, mallard
            """
        ),
        mid=_list(
            """
            lagoon, turquoise, tropical sea, pool, peacock, coral lagoon, patina, kingfisher, oasis, surf,
            jade river, seaweed, malachite, scuba
            """
        ),
        light=_list(
            """
            aquamarine, glacier, sea foam, mint candy, ice, swimming pool, robin egg, beach glass,
            spearmint, shallow water, opal, toothpaste, atoll
            """
        ),
        mood=_list(
            """
            calm, refreshing, tranquil, clear, soothing, fluid, meditative, sophisticated, breezy,
            cleansing, aquatic
            """
        ),
        style=_list(
            """
            coastal, art deco, miami, mid-century, wellness, spa, mediterranean, vaporwave, native american,
            persian, aquatic, polynesian
            """
        ),
    ),
    "blue": Region(
        dark=_list(
            """
            midnight, ocean depth, night sky, navy uniform, sapphire, indigo dye, deep sea, denim, ink,
            thunderstorm, blueberry, whale, starlight, harbor, twilight, galaxy
            """
        ),
        mid=_list(
            """
            ocean, cobalt, lake, cornflower, denim, butterfly wing, delft tile, swimming pool, bluebell,
            lapis, summer sky, wave, blue jay, iris, glacier, sailboat
            """
        ),
        light=_list(
            """
            sky, ice, cloud, forget-me-not, powder snow, morning mist, breeze, hydrangea, baby blanket,
            glacier, rain, porcelain, frost, spring sky
            """
        ),
        mood=_list(
            """
            calm, peaceful, serene, contemplative, trustworthy, melancholic, deep, cool-headed, dreamy,
            steady, tranquil, introspective
            """
        ),
        style=_list(
            """
            corporate, nautical, greek, delftware, maritime, fintech, scandinavian, japanese, minimalist,
            blueprint, coastal, ming porcelain
            """
        ),
    ),
    "violet": Region(
        dark=_list(
            """
            midnight, deep space, eggplant, amethyst cave, nebula, dusk, indigo dye, nightfall, grape skin,
            ink, blackberry, night club, raven, astral sky, storm cloud
            """
        ),
        mid=_list(
            """
            amethyst, violet, lavender field, grape, twilight, iris, galaxy, crocus, wisteria, jellyfish,
            wizard robe, ultraviolet lamp, periwinkle, aurora
            """
        ),
        light=_list(
            """
            lavender, lilac, wisteria, heather, morning haze, hyacinth, periwinkle, thistle, lavender soap,
            iris petal, unicorn, opal, sweet pea
            """
        ),
        mood=_list(
            """
            mysterious, dreamy, mystical, magical, regal, introspective, ethereal, spiritual, enigmatic,
            imaginative, wistful, otherworldly
            """
        ),
        style=_list(
            """
            vaporwave, synthwave, fantasy, art nouveau, cyberpunk, victorian, mysticism, science fiction,
            gaming, futurism, tarot, psychedelic
            """
        ),
    ),
    "magenta": Region(
        dark=_list(
            """
            plum, mulberry, eggplant, fig, velvet robe, night orchid, black tulip, elderberry, port wine,
            aubergine, royal robe, dark dahlia
            """
        ),
        mid=_list(
            """
            orchid, fuchsia, bougainvillea, neon light, dragon fruit, azalea, petunia, beetroot, laser,
            disco ball, sari, cosmos flower, karaoke bar, magenta ink
            """
        ),
        light=_list(
            """
            orchid petal, mauve, sweet pea, lilac, thistle, pink hydrangea, verbena, cotton candy, dusk
            cloud, foxglove, sugar plum, mallow
            """
        ),
        mood=_list(
            """
            exotic, glamorous, whimsical, vivacious, exuberant, luxurious, provocative, eccentric, festive,
            opulent, rebellious
            """
        ),
        style=_list(
            """
            synthwave, memphis, bollywood, maximalism, disco, fauvism, y2k, nightlife, eighties, high
            fashion, pop surrealism
            """
        ),
    ),
    "brown": Region(
        dark=_list(
            """
            dark chocolate, espresso, walnut, soil, bark, leather, tree trunk, bear, cocoa bean, peat,
            mahogany, old violin, cigar, roasted chestnut, coffee bean
            """
        ),
        mid=_list(
            """
            cinnamon, wood, terracotta, clay, chestnut, toffee, adobe, acorn, saddle, gingerbread, autumn
            leaf, rye bread, hazelnut, cork, nutmeg, caramel
            """
        ),
        light=_list(
            """
            sand, oat, linen, beige stone, wheat, biscuit, latte, driftwood, suede, almond, camel, straw,
            parchment, mushroom, cardboard
            """
        ),
        mood=_list(
            """
            rustic, grounded, cozy, comforting, nostalgic, humble, mellow, earthy, reliable, wholesome,
            weathered, homely
            """
        ),
        style=_list(
            """
            rustic, farmhouse, vintage, western, wabi-sabi, craftsman, medieval, african, craft revival,
            heritage, dark academia, sepia photography
            """
        ),
    ),
    "black": Region(
        dark=_list(
            """
            coal, obsidian, night, raven, ink, charcoal, asphalt, black cat, onyx, shadow, volcanic rock,
            piano, tuxedo, crow, basalt
            """
        ),
        mid=_list("coal, night, shadow, ink, asphalt, iron, graphite, slate, cast iron, wet road"),
        light=_list("graphite, slate, smoke, ash, iron, gravel, pencil, rain cloud"),
        mood=_list("mysterious, brooding, somber, powerful, ominous, elegant, moody, solemn, secretive, austere"),
        style=_list(
            """
            gothic, noir, brutalism, grunge, cyberpunk, heavy metal, luxury brand, film noir, dark academia,
            punk
            """
        ),
    ),
    "grey": Region(
        dark=_list("slate, storm cloud, steel, gravel, wet stone, castle wall, lead, wolf, anchor, graphite"),
        mid=_list(
            """
            concrete, stone, steel, pebble, overcast sky, elephant, cement, silver, aluminum, smoke, fog,
            pewter
            """
        ),
        light=_list("fog, silver, ash, pearl, dove, mist, birch, moon, cloud, pebble, frost, newspaper"),
        mood=_list("quiet, detached, pensive, sober, restrained, wistful, composed, reserved, understated, stoic"),
        style=_list(
            """
            industrial, minimalist, brutalism, nordic, modernist, corporate, urban, concrete architecture,
            monochrome
            """
        ),
    ),
    "white": Region(
        dark=_list("pearl, dove, ash, moon, fog, bone, chalk cliff, birch"),
        mid=_list("pearl, paper, bone, chalk, porcelain, linen, plaster, cloud"),
        light=_list(
            """
            snow, cloud, paper, porcelain, pearl, linen, cotton, milk, ivory, feather, chalk, marble, lily,
            swan, wedding dress, frost
            """
        ),
        mood=_list("pure, airy, clean, innocent, hushed, weightless, open, gentle, crisp, immaculate"),
        style=_list(
            """
            minimalist, scandinavian, neoclassical, bridal, japanese, gallery, clinical, greek island,
            mid-century
            """
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Scene:
    """Words for palettes in which several families meet; `needs` are their minimum shares of the palette."""

    needs: dict[str, float]
    associations: tuple[str, ...]
    style: tuple[str, ...] = ()
    mood: tuple[str, ...] = ()


SCENES: Final = (
    Scene(
        {"orange": 0.15, "violet": 0.15},
        _list("sunset, desert dusk, evening sky"),
        _list("synthwave"),
        _list("wistful"),
    ),
    Scene(
        {"orange": 0.15, "magenta": 0.15},
        _list("sunset, tropical evening, hibiscus"),
        _list("tropical"),
        _list("romantic"),
    ),
    Scene(
        {"orange": 0.2, "blue": 0.2},
        _list("beach sunset, harbor evening, desert sky"),
        _list("film poster"),
        _list("cinematic"),
    ),
    Scene(
        {"yellow": 0.15, "blue": 0.2}, _list("beach, summer holiday, starry night"), _list("coastal"), _list("carefree")
    ),
    Scene(
        {"teal": 0.15, "orange": 0.15},
        _list("coral reef, blockbuster poster, lagoon"),
        _list("mid-century"),
        _list("adventurous"),
    ),
    Scene(
        {"green": 0.2, "brown": 0.2},
        _list("forest floor, woodland, tree bark"),
        _list("cottagecore"),
        _list("grounded"),
    ),
    Scene(
        {"green": 0.2, "blue": 0.2},
        _list("mountain lake, river, planet earth"),
        _list("eco design"),
        _list("refreshing"),
    ),
    Scene(
        {"green": 0.15, "rose": 0.15},
        _list("watermelon, rose garden, spring meadow"),
        _list("botanical"),
        _list("fresh"),
    ),
    Scene(
        {"green": 0.15, "red": 0.15}, _list("holly, apple orchard, poppy field"), _list("folk art"), _list("festive")
    ),
    Scene(
        {"rose": 0.2, "blue": 0.2}, _list("cotton candy, dawn sky, candy shop"), _list("pastel goth"), _list("dreamy")
    ),
    Scene({"rose": 0.15, "orange": 0.2}, _list("sunrise, peach orchard, sorbet"), _list("bohemian"), _list("tender")),
    Scene({"red": 0.2, "black": 0.2}, _list("vampire, ember, casino"), _list("gothic"), _list("menacing")),
    Scene(
        {"orange": 0.15, "black": 0.2},
        _list("jack-o-lantern, tiger, bonfire night"),
        _list("halloween"),
        _list("spooky"),
    ),
    Scene(
        {"yellow": 0.15, "black": 0.2}, _list("bumblebee, taxi, art deco lobby"), _list("art deco"), _list("glamorous")
    ),
    Scene(
        {"violet": 0.2, "black": 0.15}, _list("galaxy, night club, haunted house"), _list("gothic"), _list("nocturnal")
    ),
    Scene(
        {"violet": 0.15, "teal": 0.15},
        _list("aurora, peacock, mermaid lagoon"),
        _list("vaporwave"),
        _list("otherworldly"),
    ),
    Scene(
        {"magenta": 0.15, "teal": 0.15},
        _list("neon city, arcade, tropical bird"),
        _list("vaporwave"),
        _list("electric"),
    ),
    Scene(
        {"magenta": 0.15, "blue": 0.2}, _list("neon sign, nebula, concert light"), _list("cyberpunk"), _list("electric")
    ),
    Scene({"blue": 0.3, "white": 0.1}, _list("sailboat, santorini, porcelain"), _list("nautical"), _list("crisp")),
    Scene({"blue": 0.3, "black": 0.2}, _list("night sky, deep ocean, city night"), _list("noir"), _list("nocturnal")),
    Scene({"brown": 0.2, "orange": 0.15}, _list("autumn leaf, harvest, spice market"), _list("rustic"), _list("cozy")),
    Scene(
        {"brown": 0.2, "teal": 0.15},
        _list("copper patina, driftwood beach, canyon river"),
        _list("southwestern"),
        _list("weathered"),
    ),
    Scene(
        {"yellow": 0.15, "green": 0.2}, _list("lemon grove, spring field, parrot"), _list("tropical"), _list("sunny")
    ),
    Scene({"red": 0.15, "yellow": 0.15}, _list("fire, phoenix, spice"), _list("chinese"), _list("fiery")),
)

# Words suggested by a measured attribute.
ATTRIBUTE_MOODS: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("brightness", "dark"): _list("moody, nocturnal, brooding, intimate, mysterious"),
    ("brightness", "light"): _list("airy, delicate, gentle, soft-spoken, weightless"),
    ("brightness", "varied"): _list("dramatic, dynamic, cinematic"),
    ("saturation", "vibrant"): _list("energetic, exuberant, bold, playful"),
    ("saturation", "muted"): _list("subdued, nostalgic, mellow, quiet"),
    ("temperature", "warm"): _list("welcoming, cozy, hearty"),
    ("temperature", "cool"): _list("composed, tranquil, detached"),
    ("contrast", "high"): _list("dramatic, striking"),
    ("contrast", "low"): _list("soothing, hushed"),
}
ATTRIBUTE_STYLES: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("brightness", "dark"): _list("noir, gothic, luxury brand"),
    ("brightness", "light"): _list("scandinavian, minimalist, pastel"),
    ("saturation", "vibrant"): _list("pop art, maximalism, memphis"),
    ("saturation", "muted"): _list("vintage, wabi-sabi, minimalist"),
    ("contrast", "high"): _list("graphic design, poster art"),
    ("contrast", "low"): _list("watercolor, minimalist"),
}


@dataclass(frozen=True, slots=True)
class Season:
    """A season or festival, and the shares of families and tones with which a palette suggests it."""

    name: str
    needs: dict[str, float]
    dark_at_most: float = 1.0
    light_at_least: float = 0.0
    dark_at_least: float = 0.0
    vivid_at_least: float = 0.0


SEASONS: Final = (
    Season("autumn", {"orange+brown+red+yellow": 0.6, "brown+orange": 0.3}),
    Season("late autumn", {"brown": 0.4}, dark_at_least=0.3),
    Season("halloween", {"orange": 0.2, "black+violet": 0.2}, dark_at_least=0.3),
    Season("thanksgiving", {"brown": 0.25, "orange+yellow": 0.3}),
    Season("christmas", {"red": 0.25, "green": 0.2}),
    Season("valentines", {"rose+red+magenta": 0.6, "rose": 0.2}),
    Season("mothers day", {"rose+magenta": 0.5}, light_at_least=0.4),
    Season("early spring", {"lime+green+yellow": 0.35}, light_at_least=0.6),
    Season("spring", {"green+lime+rose+yellow": 0.5}, light_at_least=0.35, dark_at_most=0.2),
    Season("late spring", {"green": 0.3, "rose+magenta": 0.15}, dark_at_most=0.3),
    Season("easter", {"yellow+lime+rose+violet+teal": 0.6}, light_at_least=0.7),
    Season("summer", {"yellow+orange+teal+blue": 0.6}, vivid_at_least=0.4, dark_at_most=0.2),
    Season("late summer", {"yellow+orange": 0.5}, dark_at_most=0.3),
    Season("winter", {"blue+grey+white+teal": 0.7}),
    Season("new year", {"black": 0.25, "yellow": 0.15}),
    Season("hanukkah", {"blue": 0.5, "white+grey": 0.2}),
    Season("diwali", {"orange+yellow": 0.3, "magenta+rose+violet": 0.25}, vivid_at_least=0.4),
    Season("holi", {"magenta+rose": 0.15, "yellow+lime": 0.1, "blue+teal+violet": 0.15}, vivid_at_least=0.6),
    Season("mardi gras", {"violet+magenta": 0.25, "green": 0.15, "yellow": 0.1}),
    Season("carnival", {"magenta+red": 0.2, "yellow+orange": 0.2, "blue+teal+green": 0.2}, vivid_at_least=0.6),
    Season("day of the dead", {"orange": 0.25, "magenta": 0.2}),
    Season("st patricks", {"green": 0.6}),
    Season("earth day", {"green": 0.3, "blue": 0.3}),
    Season("lunar new year", {"red": 0.45, "yellow+orange": 0.1}),
    Season("independence day", {"red": 0.2, "blue": 0.25, "white+grey": 0.1}),
    Season("canada day", {"red": 0.5, "white": 0.15}),
)

# For fields that are none of the tagging fields.
GENERAL_WORDS: Final = _list(
    """landscape, interior, textile, poster, ceramic, evening, morning, garden, city, travel, music, memory, weather,
    water, craft, light, story, journey, market, festival"""
)

SYNONYMS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "saturation": {
        "vibrant": _list("high, bright, vivid, saturated, intense, rich"),
        "muted": _list("low, desaturated, soft, pastel, subtle"),
        "mixed": _list("moderate, medium, varied"),
    },
    "brightness": {
        "light": _list("bright, pale, very light"),
        "dark": _list("dim, deep, very dark"),
        "medium": _list("moderate, mid, average"),
        "varied": _list("mixed, variable"),
    },
    "temperature": {"cool-warm": _list("mixed, both"), "neutral": _list("balanced, grey")},
    "contrast": {
        "high": _list("strong, intense"),
        "medium": _list("moderate, mid"),
        "low": _list("subtle, soft, minimal"),
    },
}
SLIPS: Final = _list(
    "beautiful gradient, color palette, nice vibe, pretty, inspired feeling, modern color scheme, vibrant"
)
CLOSED: Final[dict[str, tuple[str, ...]]] = {
    "temperature": ("warm", "cool", "neutral", "cool-warm"),
    "contrast": ("high", "medium", "low"),
    "brightness": ("dark", "medium", "light", "varied"),
    "saturation": ("vibrant", "muted", "mixed"),
}
NEAR_HARMONIES: Final[dict[str, tuple[str, ...]]] = {
    "achromatic": ("neutral", "monochromatic"),
    "monochromatic": ("analogous", "neutral"),
    "analogous": ("monochromatic", "accented-analogous"),
    "complementary": ("near-complementary", "split-complementary", "double-complementary"),
    "split-complementary": ("complementary", "near-complementary"),
    "triadic": ("tetradic", "polychromatic"),
    "tetradic": ("square", "double-complementary", "polychromatic"),
}
