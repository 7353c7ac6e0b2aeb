;; Asks for 4 GiB of random bytes.
;;
;; request: read harm
;; status: 500
;; error: random.bytes was asked for 4294967295 bytes

(func $hostile (result i32)
  (call $random (i32.const -1) (i32.const 64))
  (call $benign))
